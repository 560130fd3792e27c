package damage

import (
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// verdict is what one try showed. Outcomes in small letters are right:
//
//	right      nothing is missing, and nothing was said
//	harmless   nothing is missing; what was damaged was reported
//	reported   what is missing was reported, by Verify and by Open
//	refused    the store did not open, and the error says that it is damaged
//	cut        the end of the log is missing and was reported as torn
//	repaired   Repair's list covered what it did not bring back
//
// and those in capitals are broken promises:
//
//	SILENT         something is missing or stale and nothing says so
//	CUT            it is called torn, although it was known to be durable
//	WRONG          bytes are served that were never written there
//	VERIFY-BLIND   Open sees it, Verify did not
//	UNCLEAR        an error that does not say that the store is damaged
//	FALSE          damage reported where nothing that counts was touched
//	WORSE          another opening shows something else
//	FORGOTTEN      another opening does not report any more
//	REPAIR-ERR     Repair failed
//	REPAIR-SILENT  what Repair lost is not in its list
//	REPAIR-DIRTY   after Repair the store has damage
//	REPAIR-BLIND   Open saw damage and Repair had nothing to do
//	PANIC, HANG
type verdict struct {
	*store
	im       image
	hurts    []hurt
	outcomes map[string]string // with a reason
}

func (v *verdict) note(outcome string, err error) {
	if _, ok := v.outcomes[outcome]; !ok {
		v.outcomes[outcome] = oneLine(err)
	}
}

// void reports whether nothing that counts was touched.
func (v *verdict) void() bool {
	for _, h := range v.hurts {
		if !h.void {
			return false
		}
	}
	return true
}

// says turns damage into reports.
func says(list []report, damage ...error) []report {
	for _, d := range damage {
		var c *pipeproc.CorruptError
		if errors.As(d, &c) {
			list = append(list, report{c.Topic, c})
		} else {
			list = append(list, report{"", d})
		}
	}
	return list
}

// saysDamage reports whether an error says that the store is damaged, or of another version,
// which a flipped bit can make of it.
func saysDamage(err error) bool {
	return errors.Is(err, pipeproc.ErrCorrupt) || errors.Is(err, pipeproc.ErrVersion)
}

func (v *verdict) run() {
	disk, err := v.im.put()
	if err != nil {
		v.note("PANIC", err)
		return
	}
	rep, err := pipeproc.Verify(bg, dir, &pipeproc.VerifyOptions{FS: disk})
	var verified []report
	switch {
	case err == nil:
		for _, d := range rep.Damage {
			verified = says(verified, d)
		}
	case saysDamage(err):
		verified = says(verified, err)
	default:
		v.note("UNCLEAR", fmt.Errorf("verify: %w", err))
	}
	opened := v.open(disk, verified)
	v.repair(verified, opened)
}

// opening is what an Open of the damaged store showed.
type opening struct {
	diffs   []difference
	reports []report
	cut     bool
	refused bool
}

// look opens the store, reads everything, and closes it.
func (v *verdict) look(disk vfs.FS) (*opening, error) {
	n, err := pipeproc.Open(dir, options(disk, v.mode, newClock(v.ended)))
	if err != nil {
		return nil, err
	}
	defer n.Close()
	got := observe(n)
	o := &opening{diffs: v.truth.compare(got), cut: len(n.Recovery().Cut) > 0}
	if got.broken != nil {
		v.note("WRONG", got.broken)
	}
	o.reports = append(says(nil, n.Recovery().Damage...), got.errs...)
	if err := n.Err(); err != nil {
		o.reports = says(o.reports, err)
	}
	if len(o.reports) == 0 {
		if _, err := n.Commit(bg, pipeproc.Record{Topic: "unused-name", Body: []byte("x")}); err != nil {
			v.note("UNCLEAR", fmt.Errorf("a commit, with no damage reported: %w", err))
		}
		if err := n.DeleteTopic(bg, "unused-name"); err != nil {
			v.note("UNCLEAR", fmt.Errorf("a deletion, with no damage reported: %w", err))
		}
	}
	for i := range o.diffs {
		if d := &o.diffs[i]; d.wrong {
			v.note("WRONG", errors.New(d.topic+": "+d.what))
		}
	}
	return o, nil
}

// open judges an Open of the damaged store, and a second one.
func (v *verdict) open(disk vfs.FS, verified []report) *opening {
	o, err := v.look(disk)
	if err != nil {
		if !saysDamage(err) {
			v.note("UNCLEAR", fmt.Errorf("open: %w", err))
		} else if v.void() {
			v.note("FALSE", err)
		} else {
			v.note("refused", err)
		}
		if len(verified) == 0 {
			v.note("VERIFY-BLIND", fmt.Errorf("verify finds nothing, open says: %w", err))
		}
		return &opening{refused: true, reports: says(nil, err)}
	}
	said := len(o.reports) > 0 || len(verified) > 0
	switch d := uncovered(o.diffs, append(o.reports, verified...)); {
	case d == nil && len(o.diffs) > 0:
		v.note("reported", errNothing)
		if b := uncovered(o.diffs, verified); b != nil {
			v.note("VERIFY-BLIND", fmt.Errorf("%s: %s; open says %v", b.topic, b.what, o.reports[0].err))
		}
	case d != nil && o.cut && v.mayCut(o.diffs):
		v.note("cut", errors.New(d.topic+": "+d.what))
	case d != nil && o.cut:
		v.note("CUT", errors.New(d.topic+": "+d.what))
	case d != nil:
		v.note("SILENT", fmt.Errorf("%s: %s (%d differences, %d reports)", d.topic, d.what, len(o.diffs), len(o.reports)+len(verified)))
	case said && v.void():
		v.note("FALSE", append(o.reports, verified...)[0].err)
	case said:
		v.note("harmless", errNothing)
	default:
		v.note("right", errNothing)
	}
	v.again(disk, o)
	return o
}

// mayCut reports whether a torn end of the log can be all that these differences are: of
// what was acknowledged, nothing but the log's own bytes knew of it.
func (v *verdict) mayCut(diffs []difference) bool {
	log := false
	for _, h := range v.hurts {
		log = log || h.kind == "log"
	}
	if !log {
		return false
	}
	for _, d := range diffs {
		if v.mode == pipeproc.SyncAlways && !d.proc {
			return false
		}
	}
	return true
}

// again judges another Open.
func (v *verdict) again(disk vfs.FS, before *opening) {
	o, err := v.look(disk)
	switch {
	case err != nil:
		v.note("WORSE", fmt.Errorf("the second open: %w", err))
	case len(o.diffs) != len(before.diffs):
		v.note("WORSE", fmt.Errorf("%d differences at the second open, %d at the first", len(o.diffs), len(before.diffs)))
	case before.cut:
	default:
		if d := uncovered(o.diffs, o.reports); d != nil && uncovered(before.diffs, before.reports) == nil {
			v.note("FORGOTTEN", errors.New(d.topic+": "+d.what))
		}
	}
}

// repair judges a Repair of the damaged store.
func (v *verdict) repair(verified []report, opened *opening) {
	disk, err := v.im.put()
	if err != nil {
		v.note("PANIC", err)
		return
	}
	rep, err := pipeproc.Repair(bg, dir, &pipeproc.RepairOptions{FS: disk})
	if err != nil {
		if len(verified) > 0 && !errors.Is(err, pipeproc.ErrVersion) {
			v.note("REPAIR-ERR", err)
		}
		return
	}
	if !rep.Changed {
		if len(verified) == 0 && len(opened.reports) > 0 {
			v.note("REPAIR-BLIND", opened.reports[0].err)
		}
		return
	}
	o, err := v.look(disk)
	if err != nil {
		v.note("REPAIR-DIRTY", fmt.Errorf("open: %w", err))
		return
	}
	if len(o.reports) > 0 {
		v.note("REPAIR-DIRTY", o.reports[0].err)
	}
	after, err := pipeproc.Verify(bg, dir, &pipeproc.VerifyOptions{FS: disk})
	if err != nil {
		v.note("REPAIR-DIRTY", fmt.Errorf("verify: %w", err))
	} else if len(after.Damage) > 0 {
		v.note("REPAIR-DIRTY", fmt.Errorf("verify: %w", after.Damage[0]))
	}
	var dropped []report
	for _, d := range rep.Dropped {
		dropped = append(dropped, report{d.Topic, &pipeproc.CorruptError{First: d.First, Next: d.Next, What: d.What}})
	}
	if d := uncovered(o.diffs, dropped); d != nil {
		v.note("REPAIR-SILENT", fmt.Errorf("%s: %s; the list: %v", d.topic, d.what, rep.Dropped))
		return
	}
	v.note("repaired", errNothing)
}

package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

const (
	// patience is how long a test waits for what it expects: long, so that it does
	// not fail on a slow machine.
	patience = 30 * time.Second
	// lookAgain is the interval at which it checks.
	lookAgain = 2 * time.Millisecond
	// short is a timeout that tests let expire.
	short = 20 * time.Millisecond
)

// lab is a store in a test. Its own methods must succeed, or they stop the
// test.
type lab struct {
	pipeproc.Store
	t   *testing.T
	ctx context.Context // ends when a call has hung
	in  Instance
}

func newLab(t *testing.T, open Factory, o Options) *lab {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), 2*patience, errors.New("the test has hung"))
	in := open(t, o)
	t.Cleanup(cancel) // before the store is closed
	return &lab{Store: in.Store, t: t, ctx: ctx, in: in}
}

// another returns a second client of the store.
func (l *lab) another() *lab {
	l.t.Helper()
	k := *l
	if l.in.Another != nil {
		k.Store = l.in.Another()
	}
	return &k
}

// restart restarts the store.
func (l *lab) restart() {
	l.t.Helper()
	if l.in.Restart == nil {
		l.t.Fatal("the factory gave no Restart")
	}
	l.Store = l.in.Restart()
}

// ok stops the test on an error.
func (l *lab) ok(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// shut closes the store.
func (l *lab) shut() {
	l.t.Helper()
	if err := l.Close(); err != nil {
		l.t.Error("closing:", err)
	}
}

// eventually waits until fn reports true.
func (l *lab) eventually(what string, fn func() bool) {
	l.t.Helper()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for begin := time.Now(); !fn(); {
		if time.Since(begin) > patience {
			l.t.Fatalf("it has not come to be: %s", what)
		}
		<-tick.C
	}
}

// commit commits a record for each body, in one batch.
func (l *lab) commit(topic string, bodies ...string) []pipeproc.ID {
	l.t.Helper()
	ids, err := l.Commit(l.ctx, recordsOf(topic, bodies...)...)
	l.ok(err)
	if len(ids) != len(bodies) {
		l.t.Fatalf("%d ids for %d records", len(ids), len(bodies))
	}
	return ids
}

// later lets time pass by the store's clock: at least one whole millisecond lies
// between the time of id and that of records committed afterwards.
func (l *lab) later(id pipeproc.ID) {
	l.t.Helper()
	l.eventually("a millisecond later", func() bool { return l.commit("later", "x")[0].Millis > id.Millis+1 })
}

func recordsOf(topic string, bodies ...string) []pipeproc.Record {
	recs := make([]pipeproc.Record, len(bodies))
	for i, b := range bodies {
		recs[i] = pipeproc.Record{Topic: topic, Body: []byte(b)}
	}
	return recs
}

func bodiesOf(recs []pipeproc.Record) (list []string) {
	for _, r := range recs {
		list = append(list, string(r.Body))
	}
	return list
}

func namesOf(list []pipeproc.ProcInfo) (names []string) {
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

func header(r pipeproc.Record, name string) string {
	for _, h := range r.Headers {
		if h.Name == name {
			return string(h.Value)
		}
	}
	return ""
}

// records reads a topic; one that does not exist has none.
func (l *lab) records(topic string) (list []pipeproc.Record) {
	l.t.Helper()
	for r, err := range l.Range(l.ctx, topic, pipeproc.RangeOptions{}) {
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			return nil
		}
		l.ok(err)
		list = append(list, r)
	}
	return list
}

func (l *lab) bodies(topic string) []string {
	l.t.Helper()
	return bodiesOf(l.records(topic))
}

// wantTopic checks the bodies of a topic.
func (l *lab) wantTopic(topic string, bodies ...string) {
	l.t.Helper()
	if list := l.bodies(topic); !slices.Equal(list, bodies) {
		l.t.Errorf("topic %s holds %q, want %q", topic, list, bodies)
	}
}

// claim claims for a proc, which it makes if need be.
func (l *lab) claim(o pipeproc.ProcOptions) pipeproc.Claim {
	l.t.Helper()
	c, err := l.Claim(l.ctx, o)
	l.ok(err)
	return c
}

// want claims and checks the bodies.
func (l *lab) want(o pipeproc.ProcOptions, bodies ...string) pipeproc.Claim {
	l.t.Helper()
	c := l.claim(o)
	l.wantBodies(c, bodies...)
	return c
}

func (l *lab) wantBodies(c pipeproc.Claim, bodies ...string) {
	l.t.Helper()
	if list := bodiesOf(c.Records); !slices.Equal(list, bodies) {
		l.t.Errorf("claimed %q, want %q", list, bodies)
	}
}

// claimAck claims, and acknowledges, k times.
func (l *lab) claimAck(o pipeproc.ProcOptions, k int) {
	l.t.Helper()
	for range k {
		if c := l.claim(o); c.Empty() {
			l.t.Fatal("nothing to claim")
		}
		l.ack(o.Name)
	}
}

func (l *lab) ensure(o pipeproc.ProcOptions) pipeproc.ProcInfo {
	l.t.Helper()
	i, err := l.EnsureProc(l.ctx, o)
	l.ok(err)
	return i
}

// ack acknowledges the open claim of a proc.
func (l *lab) ack(proc string) pipeproc.IDRange {
	l.t.Helper()
	r, err := l.Ack(l.ctx, proc, pipeproc.Token{})
	l.ok(err)
	return r
}

// ackCommit acknowledges the open claim of a proc and commits bodies.
func (l *lab) ackCommit(proc, topic string, bodies ...string) []pipeproc.ID {
	l.t.Helper()
	_, ids, err := l.AckCommit(l.ctx, proc, pipeproc.Token{}, recordsOf(topic, bodies...)...)
	l.ok(err)
	return ids
}

// reclaim gives the open claim of a proc back.
func (l *lab) reclaim(proc string) pipeproc.IDRange {
	l.t.Helper()
	r, err := l.Reclaim(l.ctx, proc, pipeproc.Token{}, "")
	l.ok(err)
	return r
}

// info describes a proc.
func (l *lab) info(proc string) pipeproc.ProcInfo {
	l.t.Helper()
	i, err := l.InspectProc(l.ctx, proc)
	l.ok(err)
	return i
}

// disable, resume, destroy and seek change a proc.
func (l *lab) disable(proc string) pipeproc.ProcInfo {
	l.t.Helper()
	i, err := l.DisableProc(l.ctx, proc)
	l.ok(err)
	return i
}

func (l *lab) resume(proc string) pipeproc.ProcInfo {
	l.t.Helper()
	i, err := l.ResumeProc(l.ctx, proc)
	l.ok(err)
	return i
}

func (l *lab) destroy(proc string) pipeproc.ProcInfo {
	l.t.Helper()
	i, err := l.DestroyProc(l.ctx, proc)
	l.ok(err)
	return i
}

func (l *lab) seek(proc, offset string) pipeproc.ProcInfo {
	l.t.Helper()
	i, err := l.SeekProc(l.ctx, proc, offset)
	l.ok(err)
	return i
}

func (l *lab) procs() []pipeproc.ProcInfo {
	l.t.Helper()
	list, err := l.Procs(l.ctx)
	l.ok(err)
	return list
}

func (l *lab) systems() []pipeproc.SystemProcInfo {
	l.t.Helper()
	list, err := l.SystemProcs(l.ctx)
	l.ok(err)
	return list
}

func (l *lab) topic(name string) pipeproc.TopicInfo {
	l.t.Helper()
	i, err := l.Topic(l.ctx, name)
	l.ok(err)
	return i
}

// system defines a system proc.
func (l *lab) system(o pipeproc.SystemProcOptions) []pipeproc.ProcInfo {
	l.t.Helper()
	list, err := l.DefineSystemProc(l.ctx, o)
	l.ok(err)
	return list
}

// settled waits until the procs have no work left.
func (l *lab) settled(names ...string) {
	l.t.Helper()
	l.ok(l.WaitForProcs(l.ctx, names...))
}

// stale checks that a token has no effect on the proc or the records.
func (l *lab) stale(proc string, token pipeproc.Token) {
	l.t.Helper()
	before := l.info(proc)
	_, err := l.Ack(l.ctx, proc, token)
	l.wantErr(err, pipeproc.ErrClaimLost)
	_, _, err = l.AckCommit(l.ctx, proc, token, recordsOf("stale", "x")...)
	l.wantErr(err, pipeproc.ErrClaimLost)
	_, err = l.Reclaim(l.ctx, proc, token, "")
	l.wantErr(err, pipeproc.ErrClaimLost)
	if after := l.info(proc); after != before {
		l.t.Errorf("a stale token changed %+v to %+v", before, after)
	}
	l.wantTopic("stale")
}

// wantErr checks an error by errors.Is and by its code, and that its text
// contains the words.
func (l *lab) wantErr(err, target error, words ...string) {
	l.t.Helper()
	if !errors.Is(err, target) || pipeproc.Code(err) != pipeproc.Code(target) {
		l.t.Errorf("error %v (code %q), want %v", err, pipeproc.Code(err), target)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			l.t.Errorf("error %q does not say %q", err, w)
		}
	}
}

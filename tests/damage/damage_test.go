package damage

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

var (
	flagN    = flag.Int("damage.n", 1500, "how many tries")
	flagSeed = flag.Uint64("damage.seed", 1, "of the first try; the others follow")
	flagTry  = flag.Uint64("damage.try", 0, "make this one try")
	flagTime = flag.Duration("damage.limit", 40*time.Second, "stop after this long, unless -damage.n is given")
	flagKeep = flag.String("damage.keep", "", "write the damaged stores of failing tries into folders of this one")
	flagAll  = flag.Bool("damage.all", false, "tolerate nothing that is known to fail")
)

// histories is how many histories there are of each mode and number of kills.
const histories = 3

var modes = []pipeproc.SyncMode{pipeproc.SyncAlways, pipeproc.SyncNever, pipeproc.SyncInterval(time.Hour)}

// stores makes each store once, when it is asked for.
type stores struct {
	mu   sync.Mutex
	made map[recipe]func() (*store, error)
}

func (c *stores) get(r recipe) (*store, error) {
	c.mu.Lock()
	fn := c.made[r]
	if fn == nil {
		fn = sync.OnceValues(func() (*store, error) { return build(r) })
		c.made[r] = fn
	}
	c.mu.Unlock()
	return fn()
}

// tally counts outcomes.
type tally struct {
	mu     sync.Mutex
	counts map[string]map[string]int // by "kind / damage", then by outcome
	known  map[string]int            // lines of the table that were needed
	fails  int
}

func (y *tally) add(class, outcome string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.counts[class] == nil {
		y.counts[class] = map[string]int{}
	}
	y.counts[class][outcome]++
}

// TestLatentDamage is the standing fuzz.
func TestLatentDamage(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(300))
	cache := &stores{made: map[recipe]func() (*store, error){}}
	y := &tally{counts: map[string]map[string]int{}, known: map[string]int{}}
	first, n := *flagSeed, *flagN
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "damage.n" })
	if *flagTry != 0 {
		// Which files a history leaves also depends on the node's own goroutines.
		for range 20 {
			tryOne(t, &stores{made: map[recipe]func() (*store, error){}}, *flagTry, y)
		}
		t.Logf("20 times try %d\n%s", *flagTry, y.table())
		return
	}
	if process.Race && !given {
		n /= 10
	}
	end := time.Now().Add(*flagTime)
	var next, done atomic.Int64
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(n) || !given && time.Now().After(end) || y.tooMany() {
					return
				}
				tryOne(t, cache, first+uint64(i), y)
				done.Add(1)
			}
		})
	}
	all.Wait()
	t.Logf("%d tries from seed %d\n%s", done.Load(), first, y.table())
	for _, k := range known {
		if given && y.known[k.String()] == 0 {
			t.Logf("not seen to fail: %s", k)
		}
	}
}

func (y *tally) tooMany() bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.fails > 60 && !*flagAll
}

// table prints the counts.
func (y *tally) table() string {
	var b strings.Builder
	total := map[string]int{}
	for _, class := range slices.Sorted(maps.Keys(y.counts)) {
		fmt.Fprintf(&b, "%-36s", class)
		for _, o := range slices.Sorted(maps.Keys(y.counts[class])) {
			fmt.Fprintf(&b, "  %s %d", o, y.counts[class][o])
			total[o] += y.counts[class][o]
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%-36s", "in all")
	for _, o := range slices.Sorted(maps.Keys(total)) {
		fmt.Fprintf(&b, "  %s %d", o, total[o])
	}
	b.WriteByte('\n')
	for _, k := range slices.Sorted(maps.Keys(y.known)) {
		fmt.Fprintf(&b, "known: %-60s %d\n", k, y.known[k])
	}
	return b.String()
}

// hangLimit is many times what a try takes.
const hangLimit = 2 * time.Minute

// tryOne makes one try, all of which follows from its seed.
func tryOne(t *testing.T, cache *stores, seed uint64, y *tally) {
	rnd := rand.New(rand.NewPCG(seed, 0x64616d616765))
	r := recipe{mode: modes[rnd.IntN(len(modes))], kills: rnd.IntN(3), seed: rnd.Uint64N(histories)}
	s, err := cache.get(r)
	if err != nil {
		t.Errorf("try %d: building a store: %v", seed, err)
		return
	}
	im := maps.Clone(s.im)
	var list []hurt
	switch k := rnd.IntN(20); {
	case k == 0: // unharmed
	case k < 17:
		list = append(list, s.damage(im, rnd))
	default:
		list = append(list, s.damage(im, rnd), s.damage(im, rnd))
	}
	v := &verdict{store: s, im: im, hurts: list, outcomes: map[string]string{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			if p := recover(); p != nil {
				v.note("PANIC", fmt.Errorf("%v\n%s", p, debug.Stack()))
			}
		}()
		v.run()
	}()
	timer := time.NewTimer(hangLimit)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		v = &verdict{store: s, hurts: list, outcomes: map[string]string{"HANG": "no end"}}
	}
	v.count(t, seed, y)
}

// count notes the outcomes of a try, and fails for those that must not be.
func (v *verdict) count(t *testing.T, seed uint64, y *tally) {
	class := "none"
	var told []string
	for _, h := range v.hurts {
		class = h.kind + " / " + h.how
		told = append(told, h.String())
	}
	if len(v.hurts) > 1 {
		class = "two"
	}
	for o, what := range v.outcomes {
		y.add(class, o)
		if strings.ToUpper(o) != o {
			continue
		}
		if k := v.known(o); k != nil && !*flagAll {
			y.mu.Lock()
			y.known[k.String()]++
			y.mu.Unlock()
			continue
		}
		y.mu.Lock()
		y.fails++
		y.mu.Unlock()
		t.Errorf("%s: try %d: %v: %s: %s\n  again: go test ./tests/damage -damage.try=%d", o, seed, v.recipe, strings.Join(told, "; "), what, seed)
		if err := v.im.save(*flagKeep, fmt.Sprintf("try-%d", seed)); err != nil {
			t.Log(err)
		}
	}
}

// knownFailure is a class of tries that is known to fail.
type knownFailure struct {
	kind, how string // "" for any
	kills     int    // -1 for any number
	outcome   string
	why       string
}

func (k knownFailure) String() string {
	any := func(s string) string {
		if s == "" {
			return "any"
		}
		return s
	}
	kills := "any"
	if k.kills >= 0 {
		kills = fmt.Sprint(k.kills)
	}
	return fmt.Sprintf("%s / %s / %s kills: %s (%s)", any(k.kind), any(k.how), kills, k.outcome, k.why)
}

// known returns the line of the table that allows an outcome, or nil.
func (v *verdict) known(outcome string) *knownFailure {
	for i := range known {
		k := &known[i]
		if k.outcome != outcome || k.kills >= 0 && k.kills != v.kills {
			continue
		}
		for _, h := range v.hurts {
			if (k.kind == "" || k.kind == h.kind || k.kind == h.partner) && (k.how == "" || k.how == h.how) {
				return k
			}
		}
	}
	return nil
}

// oneLine cuts an error short.
func oneLine(err error) string {
	return strings.ReplaceAll(fmt.Sprintf("%.400v", err), "\n", " | ")
}

var errNothing = errors.New("nothing is said")

package vfs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// machine runs scripts on a Crash, one command a line:
//
//	mkdir D | write F OFF TEXT | truncate F SIZE | sync F | syncdata F
//	remove F | rename F G | link F G | syncdir D
//	map F SIZE | store F OFF TEXT | msync F OFF N
//	crash UNITS | kill
//
// TEXT may be a letter and a count, like x*5000.
type machine struct {
	t    *testing.T
	c    *Crash
	maps map[string]Mapping
}

func (m *machine) run(script string) {
	m.t.Helper()
	for _, line := range strings.Split(script, "\n") {
		if args := strings.Fields(line); len(args) > 0 {
			m.do(args[0], append(args[1:], "", "", ""))
		}
	}
}

func (m *machine) do(cmd string, a []string) {
	m.t.Helper()
	switch cmd {
	case "mkdir":
		must(m.t, m.c.MkdirAll(a[0]))
	case "write":
		write(m.t, m.open(a[0], Create), number(a[1]), expand(a[2]))
	case "truncate":
		must(m.t, m.open(a[0], Write).Truncate(number(a[1])))
	case "sync":
		must(m.t, m.open(a[0], Read).Sync())
	case "syncdata":
		must(m.t, m.open(a[0], Read).SyncData())
	case "remove":
		must(m.t, m.c.Remove(a[0]))
	case "rename":
		must(m.t, m.c.Rename(a[0], a[1]))
	case "link":
		must(m.t, m.c.Link(a[0], a[1]))
	case "syncdir":
		must(m.t, m.c.SyncDir(a[0]))
	case "map":
		m.maps[a[0]] = mapping(m.t, m.open(a[0], Write), number(a[1]), true)
	case "store":
		copy(m.maps[a[0]].Bytes()[number(a[1]):], expand(a[2]))
	case "msync":
		must(m.t, m.maps[a[0]].Sync(number(a[1]), number(a[2])))
	case "crash":
		m.c = m.c.Crash(picker(a[0], nil))
	case "kill":
		m.c = m.c.Kill()
	default:
		m.t.Fatalf("command %q", cmd)
	}
}

func (m *machine) open(name string, flag Flag) File { return open(m.t, m.c, name, flag) }

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func expand(s string) string {
	if len(s) > 2 && s[1] == '*' {
		return strings.Repeat(s[:1], int(number(s[2:])))
	}
	return s
}

// picker lets survive: all, none, or the listed units, in the form
// "page:/a:0,size:/a,dirop:/b"; it notes what it is asked.
func picker(survivors string, asked *[]string) func(Unit) bool {
	return func(u Unit) bool {
		s := fmt.Sprintf("%v:%s", u.Kind, u.Name)
		if u.Kind == Page {
			s += fmt.Sprintf(":%d", u.Page)
		}
		if asked != nil {
			*asked = append(*asked, s)
		}
		return survivors == "all" || slices.Contains(strings.Split(survivors, ","), s)
	}
}

// state lists the tree: "a=3x b/", content as runs, zeroes as "0".
func state(t *testing.T, c *Crash, dir string) string {
	t.Helper()
	infos, err := c.ReadDir("/" + dir)
	must(t, err)
	var list []string
	for _, i := range infos {
		if i.Dir {
			list = append(list, strings.TrimSpace(dir+i.Name+"/ "+state(t, c, dir+i.Name+"/")))
		} else {
			list = append(list, dir+i.Name+"="+runs(get(t, c, dir+i.Name)))
		}
	}
	return strings.Join(list, " ")
}

func runs(s string) string {
	out := ""
	for len(s) > 0 {
		n := 1
		for n < len(s) && s[n] == s[0] {
			n++
		}
		if n > 1 {
			out += strconv.Itoa(n)
		}
		out += strings.ReplaceAll(s[:1], "\x00", "0")
		s = s[n:]
	}
	return out
}

// durableA is a file a of two pages and a bit, all durable.
const durableA = `
	write a 0 a*10000
	sync a
	syncdir /
`

var crashCases = []struct {
	name   string
	script string
	pick   string // survivors
	asked  string // the units asked about; "" = not checked
	want   string
}{
	{"synced", durableA, "none", "[]", "a=10000a"},
	{"never synced, lost", "write a 0 xyz", "none", "[dirop:/a]", ""},
	{"never synced, kept", "write a 0 xyz", "all", "[dirop:/a size:/a page:/a:0]", "a=xyz"},
	{"name only", "write a 0 xyz\nsyncdir /", "none", "[size:/a page:/a:0]", "a="},
	{"name and size", "write a 0 xyz\nsyncdir /", "size:/a", "", "a=30"},
	{"name and page", "write a 0 xyz\nsyncdir /", "page:/a:0", "", "a="},
	{"content without name", "write a 0 xyz\nsync a", "none", "[dirop:/a]", ""},

	{"page lost", durableA + "write a 4090 b*10", "none", "[page:/a:0 page:/a:1]", "a=10000a"},
	{"page torn", durableA + "write a 4090 b*10", "page:/a:1", "", "a=4096a4b5900a"},
	{"page kept", durableA + "write a 4090 b*10", "all", "", "a=4090a10b5900a"},
	{"same bytes", durableA + "write a 0 a*10000", "none", "[]", "a=10000a"},
	{"synced data", durableA + "write a 0 b*5000\nsyncdata a", "none", "[]", "a=5000b5000a"},

	{"growth lost", durableA + "write a 10000 b*10", "none", "[size:/a page:/a:2]", "a=10000a"},
	{"growth, page lost", durableA + "write a 10000 b*10", "size:/a", "", "a=10000a100"},
	{"growth, size lost", durableA + "write a 10000 b*10", "page:/a:2", "", "a=10000a"},
	{"growth, size lost, then regrown", durableA + `
		write a 10000 b*10
		crash page:/a:2
		truncate a 10005`, "all", "", "a=10000a50"},
	{"cut lost", durableA + "truncate a 5000", "none", "[size:/a page:/a:1]", "a=10000a"},
	{"cut kept", durableA + "truncate a 5000", "all", "", "a=5000a"},
	{"cut synced", durableA + "truncate a 5000\nsync a\ntruncate a 9000\nsync a", "none", "[]", "a=5000a40000"},
	{"cut and regrown, lost", durableA + "truncate a 0\ntruncate a 10000", "none", "[page:/a:0 page:/a:1 page:/a:2]", "a=10000a"},
	{"cut and regrown, kept", durableA + "truncate a 0\ntruncate a 10000", "all", "", "a=100000"},

	{"store lost", durableA + "map a 10000\nstore a 4090 b*10", "none", "[page:/a:0 page:/a:1]", "a=10000a"},
	{"store kept", durableA + "map a 10000\nstore a 4090 b*10", "all", "", "a=4090a10b5900a"},
	{"store synced", durableA + "map a 10000\nstore a 4090 b*10\nmsync a 4090 1", "none", "[page:/a:1]", "a=4090a6b5904a"},
	{"store synced by the file", durableA + "map a 10000\nstore a 4090 b*10\nsync a\nstore a 0 c", "none", "[page:/a:0]", "a=4090a10b5900a"},
	{"write synced by a mapping", durableA + "map a 5000\nwrite a 0 b\nwrite a 9000 b\nmsync a 0 5000", "none", "[page:/a:2]", "a=b9999a"},
	{"size by mapping sync", "write a 0 a*10\nsync a\nsyncdir /\ntruncate a 9000\nmap a 9000\nstore a 5000 b\nmsync a 5000 1", "none", "[]", "a=10a49900b39990"},
	{"no size by mapping sync", "write a 0 a*5000\nsync a\nsyncdir /\ntruncate a 9000\nmap a 9000\nstore a 0 b\nmsync a 0 1", "none", "[size:/a]", "a=b4999a"},

	{"remove lost", durableA + "remove a", "none", "[dirop:/a]", "a=10000a"},
	{"remove kept", durableA + "remove a", "all", "", ""},
	{"remove synced", durableA + "remove a\nsyncdir /", "none", "[]", ""},
	{"remove and create, remove lost", durableA + "remove a\nwrite a 0 new", "page:/a:0,size:/a", "", "a=10000a"},
	{"remove and create", durableA + "remove a\nwrite a 0 new", "all", "", "a=new"},

	{"rename lost", durableA + "write b 0 b\nsync b\nsyncdir /\nrename b a", "none", "[dirop:/a]", "a=10000a b=b"},
	{"rename kept", durableA + "write b 0 b\nsync b\nsyncdir /\nrename b a", "all", "", "a=b"},
	{"rename of a lost file", durableA + "write b 0 b\nsync b\nrename b a", "dirop:/a", "[dirop:/a dirop:/b]", "a=10000a"},
	{"rename lost, file kept", durableA + "write b 0 b\nsync b\nrename b a", "dirop:/b", "", "a=10000a b=b"},
	{"rename without content", durableA + "write b 0 b\nrename b a\nsyncdir /", "none", "[size:/a page:/a:0]", "a="},
	{"move synced at the target", "mkdir x\nmkdir y\nsyncdir /\nwrite x/a 0 a\nsync x/a\nrename x/a y/a\nsyncdir y", "none", "[]", "x/ y/ y/a=a"},
	{"move synced at the source", "mkdir x\nmkdir y\nsyncdir /\nwrite x/a 0 a\nsync x/a\nrename x/a y/a\nsyncdir x", "all", "[]", "x/ y/ y/a=a"},
	{"move takes along only what was before", "mkdir x\nmkdir y\nsyncdir /\nwrite x/a 0 a\nsync x/a\nrename x/a y/a\nwrite x/b 0 b\nsyncdir y", "none", "[dirop:/x/b]", "x/ y/ y/a=a"},
	{"directory move is atomic", "mkdir x/z\nmkdir y\nsyncdir /\nsyncdir x\nrename x/z y/z", "none", "[dirop:/y/z]", "x/ x/z/ y/"},
	{"directory move, kept", "mkdir x/z\nmkdir y\nsyncdir /\nsyncdir x\nrename x/z y/z", "all", "", "x/ y/ y/z/"},
	{"crossed directory moves, one lost", "mkdir a/b\nsyncdir /\nsyncdir a\nrename a/b b\nrename a b/a", "dirop:/b/a", "[dirop:/b dirop:/b/a]", "a/ a/b/"},
	{"crossed directory moves, one synced", "mkdir x/a/b\nmkdir y\nsyncdir /\nsyncdir x\nsyncdir x/a\nrename x/a/b y/b\nrename x/a y/b/a\nsyncdir x", "none", "[]", "x/ y/ y/b/ y/b/a/"},

	{"link lost", durableA + "link a b", "none", "[dirop:/b]", "a=10000a"},
	{"link kept", durableA + "link a b\nwrite b 0 c", "all", "[dirop:/b page:/a:0]", "a=c9999a b=c9999a"},
	{"link survives the removal", "mkdir x\nmkdir y\nwrite x/a 0 a\nsync x/a\nsyncdir x\nsyncdir /\nlink x/a y/a\nremove x/a\nsyncdir x", "all", "[dirop:/y/a]", "x/ y/ y/a=a"},
	{"link of a lost file", "write a 0 a\nlink a b", "dirop:/b,size:/b", "", ""},
	{"links are one file", durableA + "link a b\nsyncdir /\ncrash none\nwrite b 0 b", "all", "[page:/a:0]", "a=b9999a b=b9999a"},

	{"directory lost with all in it", "mkdir x\nwrite x/a 0 a\nsync x/a\nsyncdir x", "none", "[dirop:/x]", ""},
	{"directory kept, entry lost", "mkdir x\nwrite x/a 0 a\nsync x/a", "dirop:/x", "[dirop:/x dirop:/x/a]", "x/"},
	{"directory removal needs emptiness", "mkdir x\nwrite x/a 0 a\nsync x/a\nsyncdir x\nsyncdir /\nremove x/a\nremove x", "dirop:/x", "", "x/ x/a=a"},
	{"directory removal synced", "mkdir x\nwrite x/a 0 a\nsync x/a\nsyncdir x\nsyncdir /\nremove x/a\nremove x\nsyncdir /", "none", "", ""},

	{"second crash keeps", durableA + "write a 0 b\ncrash page:/a:0", "none", "[]", "a=b9999a"},
	{"second crash loses", durableA + "write a 0 b\ncrash all\nwrite a 1 c*9999\nwrite b 0 b", "page:/a:1", "[dirop:/b page:/a:0 page:/a:1 page:/a:2]", "a=b4095a4096c1808a"},
	{"kill keeps volatile", durableA + "map a 10000\nstore a 0 b\nwrite b 0 b\nremove b\nwrite c 0 c\nkill", "none", "[dirop:/b dirop:/b dirop:/c page:/a:0]", "a=10000a"},
	{"kill keeps all", durableA + "map a 10000\nstore a 0 b\nwrite c 0 c\nkill\nkill", "all", "", "a=b9999a c=c"},
	{"kill, then sync", durableA + "map a 10000\nstore a 0 b\nkill\nsync a", "none", "[]", "a=b9999a"},
}

func TestCrash(t *testing.T) {
	for _, c := range crashCases {
		t.Run(c.name, func(t *testing.T) {
			m := &machine{t: t, c: NewCrash(), maps: map[string]Mapping{}}
			m.run(c.script)
			before := state(t, m.c, "")
			var asked []string
			after := m.c.Crash(picker(c.pick, &asked))
			if c.asked != "" && fmt.Sprint(asked) != c.asked {
				t.Errorf("asked %v, want %s", asked, c.asked)
			}
			if got := state(t, after, ""); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			again := after.Crash(func(u Unit) bool { t.Errorf("volatile after a crash: %v", u); return false })
			if got := state(t, again, ""); got != c.want {
				t.Errorf("second crash: %q", got)
			}
			for what, other := range map[string]*Crash{"old": m.c, "killed": m.c.Kill(), "all": m.c.Crash(picker("all", nil))} {
				if got := state(t, other, ""); got != before {
					t.Errorf("%s: %q, want %q", what, got, before)
				}
			}
		})
	}
}

func TestCrashGrain(t *testing.T) {
	c := NewCrash()
	c.Grain = 512
	put(t, c, "a", strings.Repeat("a", 2000))
	var asked []string
	after := c.Crash(picker("dirop:/a,size:/a,page:/a:1,page:/a:3", &asked))
	if len(asked) != 6 || after.Grain != 512 {
		t.Errorf("asked %v", asked)
	}
	if got := state(t, after, ""); got != "a=5120512a5120464a" {
		t.Error(got)
	}
}

// TestCrashOrder has a writer that changes b only when a is durable, and looks
// for a crash that has b but not a.
func TestCrashOrder(t *testing.T) {
	c := NewCrash()
	var wg sync.WaitGroup
	put(t, c, "a", "\x00")
	put(t, c, "b", "\x00")
	must(t, c.SyncDir("/"))
	a, b := open(t, c, "a", Write), open(t, c, "b", Write)
	m := mapping(t, a, 1, true)
	started, stop := make(chan bool), make(chan bool)
	wg.Go(func() {
		for i := 1; ; i++ {
			m.Bytes()[0] = byte(i % 100)
			if err := m.Sync(0, 1); err != nil {
				t.Error(err)
			}
			if _, err := b.WriteAt([]byte{byte(i % 100)}, 0); err != nil {
				t.Error(err)
			}
			if i == 1 {
				close(started)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	<-started
	for i := range 200 {
		after := c.Crash(RandomPick(uint64(i), 0.5))
		x, y := get(t, after, "a"), get(t, after, "b")
		if y != "" && y != "\x00" && x != y && x[0] != (y[0]+1)%100 {
			t.Fatalf("a is at %d, b at %d", x[0], y[0])
		}
	}
	close(stop)
	wg.Wait()
}

func TestCrashDropsLocksAndKeepsCapacity(t *testing.T) {
	c := NewCrash()
	c.SetCapacity(3 * pageSize)
	lock, err := c.Lock("lock")
	must(t, err)
	defer lock.Close()
	for _, after := range []*Crash{c.Kill(), c.Crash(picker("all", nil))} {
		lock, err := after.Lock("lock")
		must(t, err)
		must(t, lock.Close())
		if free, err := after.Free("/"); free != 3*pageSize {
			t.Error(free, err)
		}
	}
	if free, err := c.Free("/"); free != 2*pageSize {
		t.Error(free, err)
	}
}

func TestRandomPick(t *testing.T) {
	a, b := RandomPick(7, 0.5), RandomPick(7, 0.5)
	n := 0
	for range 1000 {
		x := a(Unit{})
		if x != b(Unit{}) {
			t.Fatal("not repeatable")
		}
		if x {
			n++
		}
	}
	if n < 400 || n > 600 {
		t.Errorf("%d of 1000", n)
	}
	if RandomPick(1, 0)(Unit{}) || !RandomPick(1, 1)(Unit{}) {
		t.Error("extremes")
	}
}

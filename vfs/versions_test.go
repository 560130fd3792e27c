package vfs

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// versionPicker has the unit of a version survive, and no other unit but sizes and names.
func versionPicker(v int) func(Unit) bool {
	return func(u Unit) bool { return u.Kind != Page || u.Version == v }
}

// TestVersions: any content that a page has had since it was durable may be what is
// left of it, and of two pages each may be of another time.
func TestVersions(t *testing.T) {
	c := NewCrash()
	c.KeepVersions(3)
	put(t, c, "a", "0")
	file := open(t, c, "a", Write)
	must(t, file.Sync())
	must(t, c.SyncDir("/"))
	for i := 1; i <= 6; i++ {
		write(t, file, 0, fmt.Sprint(i))
	}
	for v, want := range []string{"6", "5", "4", "3", "0"} {
		wantText(t, get(t, c.Crash(versionPicker(v)), "a"), want)
		wantText(t, get(t, c.Kill().Crash(versionPicker(v)), "a"), want)
	}
	write(t, file, 0, "0") // as it is on disk, or was
	wantText(t, get(t, c.Crash(versionPicker(1)), "a"), "6")

	must(t, file.SyncData())
	write(t, file, 0, "7")
	wantText(t, get(t, c.Crash(versionPicker(1)), "a"), "0")
	wantText(t, get(t, c.Crash(versionPicker(0)), "a"), "7")

	must(t, file.Truncate(2*pageSize))
	must(t, file.Sync())
	write(t, file, pageSize-1, "ab")
	write(t, file, pageSize-1, "cd")
	got := get(t, c.Crash(func(u Unit) bool { return u.Page == int64(u.Version) }), "a")
	wantText(t, got[pageSize-1:pageSize+1], "cb")
	c.Grain = 512
	got = get(t, c.Crash(func(u Unit) bool { return u.Page == 7 && u.Version == 1 || u.Page == 8 && u.Version == 0 }), "a")
	wantText(t, got[pageSize-1:pageSize+1], "ad")
}

// TestObserve: of a mapping, versions are what Observe has seen.
func TestObserve(t *testing.T) {
	c := NewCrash()
	c.KeepVersions(2)
	put(t, c, "a", "0")
	file := open(t, c, "a", Write)
	must(t, file.Sync())
	must(t, c.SyncDir("/"))
	m := mapping(t, file, 1, true)
	for _, b := range []byte("123") {
		m.Bytes()[0] = b
		c.Observe()
	}
	m.Bytes()[0] = '4'
	for v, want := range []string{"4", "3", "2", "0"} {
		wantText(t, get(t, c.Crash(versionPicker(v)), "a"), want)
	}
	must(t, m.Sync(0, 1))
	wantText(t, get(t, c.Crash(versionPicker(1)), "a"), "4")
}

// TestSyncDataSize: SyncData makes a larger size durable, and a smaller one not.
func TestSyncDataSize(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"grown", "write /a 0 x*9000 | syncdata /a | crash none", "a=9000x"},
		{"cut", "write /a 0 x*9000 | sync /a | truncate /a 100 | syncdata /a | crash none", "a=100x399604904x"},
		{"cut, and the size survives", "write /a 0 x*9000 | sync /a | truncate /a 100 | syncdata /a | crash size:/a", "a=100x"},
		{"cut and synced", "write /a 0 x*9000 | sync /a | truncate /a 100 | sync /a | crash none", "a=100x"},
		{"cut and grown", "write /a 0 x*9000 | sync /a | truncate /a 100 | syncdata /a | truncate /a 9000 | syncdata /a | crash none", "a=100x89000"},
		{"written after a cut", "write /a 0 x*9000 | sync /a | truncate /a 100 | syncdata /a | write /a 8999 y | syncdata /a | crash none", "a=100x88990y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &machine{t: t, c: NewCrash(), maps: map[string]Mapping{}}
			m.run("write /a 0 \nsyncdir /\n" + strings.ReplaceAll(test.script, " | ", "\n"))
			got := state(t, m.c, "")
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestStale: a page whose blocks the file was given since its last sync holds what the
// disk had there, when the size survives and the content does not.
func TestStale(t *testing.T) {
	c := NewCrash()
	c.Stale = func(name string, page int64) []byte {
		if page == 2 {
			return nil
		}
		return []byte(strings.Repeat(fmt.Sprint(page), pageSize))
	}
	put(t, c, "a", "durable")
	file := open(t, c, "a", Write)
	must(t, file.Sync())
	must(t, c.SyncDir("/"))
	must(t, file.Preallocate(4*pageSize))
	write(t, file, pageSize, "written")
	onlySize := func(u Unit) bool { return u.Kind == Size }
	cut := get(t, c.Crash(onlySize), "a")
	wantText(t, cut[:7]+cut[pageSize-1:pageSize+1]+cut[2*pageSize:2*pageSize+1]+cut[4*pageSize-1:], "durable\x001\x003")
	wantText(t, get(t, c.Crash(picker("none", nil)), "a"), "durable")
	cut = get(t, c.Crash(picker("all", nil)), "a")
	wantText(t, cut[pageSize:pageSize+8], "written\x00")
	must(t, file.SyncData())
	cut = get(t, c.Crash(picker("none", nil)), "a")
	wantText(t, cut[pageSize:pageSize+7]+cut[4*pageSize-1:], "written\x00")
}

// TestFailWriteback: the next sync, or the close before it, tells of it, once; what was
// lost stays lost.
func TestFailWriteback(t *testing.T) {
	c := NewCrash()
	put(t, c, "a", "1")
	file, other := open(t, c, "a", Write), open(t, c, "a", Read)
	must(t, file.Sync())
	must(t, c.SyncDir("/"))
	c.FailWriteback("a", false) // nothing to write
	must(t, file.SyncData())
	for _, sync := range []func() error{
		file.Sync, file.SyncData, other.Sync,
		func() error { return mapping(t, file, 1, true).Sync(0, 1) },
	} {
		write(t, file, 0, "2")
		c.FailWriteback("a", false)
		wantErr(t, open(t, c.Kill(), "a", Write).Sync(), syscall.EIO) // the error outlives the process
		wantErr(t, sync(), syscall.EIO)
		must(t, file.Sync())
		wantText(t, get(t, c, "a"), "2")
		wantText(t, get(t, c.Crash(picker("all", nil)), "a"), "1")
		write(t, file, 0, "1")
		must(t, file.Sync())
	}
	write(t, file, 0, "2")
	c.FailWriteback("a", false)
	must(t, file.Close())
	wantErr(t, other.Sync(), syscall.EIO)
	file, err := c.Open("a", Write)
	must(t, err)
	write(t, file, 0, "3")
	c.FailWriteback("a", true)
	wantErr(t, file.Close(), syscall.EIO)
	must(t, other.Sync())
	wantText(t, get(t, c.Crash(picker("all", nil)), "a"), "1")
	c.FailWriteback("no such file", true)
}

// TestFailDirSync: names that a failed sync has lost come back with no later one, until
// they are made again.
func TestFailDirSync(t *testing.T) {
	c := NewCrash()
	must(t, c.MkdirAll("/d"))
	must(t, c.SyncDir("/"))
	put(t, c, "/d/old", "o")
	must(t, open(t, c, "/d/old", Read).Sync())
	must(t, c.SyncDir("/d"))
	put(t, c, "/d/new", "n")
	must(t, open(t, c, "/d/new", Read).Sync())
	must(t, c.Remove("/d/old"))
	c.FailSync("/d")
	must(t, c.SyncDir("/d"))
	if got := state(t, c, ""); got != "d/ d/new=n" {
		t.Errorf("before the cut: %s", got)
	}
	if got := state(t, c.Crash(picker("all", nil)), ""); got != "d/ d/old=o" {
		t.Errorf("after it: %s", got)
	}
	must(t, c.Rename("/d/new", "/d/tmp"))
	must(t, c.Rename("/d/tmp", "/d/new"))
	must(t, c.SyncDir("/d"))
	if got := state(t, c.Crash(picker("none", nil)), ""); got != "d/ d/new=n d/old=o" {
		t.Errorf("named again: %s", got)
	}
}

// TestLyingWrites: a hook can have a write be lost, or go elsewhere, without an error.
func TestLyingWrites(t *testing.T) {
	var lie error
	f := NewFault(NewMem(), func(op Op) error {
		if op.Kind == OpWriteAt {
			return lie
		}
		return nil
	})
	put(t, f, "a", "0123456789")
	file := open(t, f, "a", Write)
	lie = ErrLostWrite
	write(t, file, 2, "xx")
	if n, err := file.WriteVecAt([][]byte{[]byte("x"), []byte("yz")}, 5); n != 3 || err != nil {
		t.Error(n, err)
	}
	wantText(t, get(t, f, "a"), "0123456789")
	lie = MisdirectedWrite{Off: 8}
	write(t, file, 2, "xx")
	wantText(t, get(t, f, "a"), "01234567xx")
}

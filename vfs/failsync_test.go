package vfs

import "testing"

// TestFailSync: what a failed sync has lost can still be read, but no sync makes it
// durable until it is written again.
func TestFailSync(t *testing.T) {
	cut := func(c *Crash) string {
		return get(t, c.Crash(picker("all", nil)), "a")[:1] + get(t, c.Kill().Crash(picker("all", nil)), "a")[pageSize:]
	}
	pages := func(a, b string) string { return a + string(make([]byte, pageSize-1)) + b }
	c := NewCrash()
	put(t, c, "a", pages("1", "1"))
	file := open(t, c, "a", Write)
	must(t, file.Sync())
	must(t, c.SyncDir("/"))
	write(t, file, 0, "2")
	c.FailSync("a")
	write(t, file, pageSize, "2")
	for range 2 {
		must(t, file.Sync())
		wantText(t, get(t, c, "a"), pages("2", "2"))
		wantText(t, cut(c), "12")
	}
	write(t, file, 0, "2") // the same again
	must(t, file.SyncData())
	wantText(t, cut(c), "22")

	m := mapping(t, file, pageSize+1, true)
	m.Bytes()[0], m.Bytes()[pageSize] = '3', '3'
	c.FailSync("a")
	must(t, m.Sync(0, pageSize+1))
	must(t, file.Sync())
	wantText(t, cut(c), "22")
	m.Bytes()[0] = '4'
	must(t, m.Sync(0, 1))
	wantText(t, cut(c), "42")
	c.FailSync("no such file")
}

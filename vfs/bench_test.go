//go:build unix && !aix && !solaris

package vfs

import "testing"

// BenchmarkOpen opens and closes an existing file: by its path, through its
// directory, and through the directory above that.
func BenchmarkOpen(b *testing.B) {
	in := b.TempDir()
	must(b, OS().MkdirAll(in+"/data/segments"))
	put(b, OS(), in+"/data/segments/0000000000000001-00000001.seg", "")
	top := dir(b, OS(), in+"/data")
	root, err := openRootDir(in + "/data/segments")
	must(b, err)
	defer root.Close()
	for _, c := range []struct {
		name string
		fs   FS
		dir  string
	}{
		{"path", OS(), in + "/data/segments/"},
		{"folder", dir(b, top, "segments"), ""},
		{"above", top, "segments/"},
		{"root", root, ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := c.fs.Open(c.dir+"0000000000000001-00000001.seg", Write)
				must(b, err)
				must(b, f.Close())
			}
		})
	}
}

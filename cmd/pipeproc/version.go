package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version describes this build.
func version() string {
	v, rev, dirty := "(devel)", "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				rev = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = ", modified"
			}
		}
	}
	if rev != "" {
		rev = fmt.Sprintf(" (%.12s%s)", rev, dirty)
	}
	return fmt.Sprintf("pipeproc %s%s %s %s/%s", v, rev, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

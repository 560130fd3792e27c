package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// doors are what goes past the options of a node: the file system other than
// through FS, the clock other than through Clock, and the process as a whole, which
// is not the library's.
var doors = map[string][]string{
	"os": {"Open", "OpenFile", "OpenRoot", "OpenInRoot", "Create", "CreateTemp", "ReadFile", "WriteFile", "ReadDir", "ReadLink", "Remove", "RemoveAll",
		"Rename", "Link", "Symlink", "Mkdir", "MkdirAll", "MkdirTemp", "TempDir", "Stat", "Lstat", "Truncate", "Chmod", "Chown", "Chtimes", "Chdir", "Getwd",
		"DirFS", "CopyFS", "Root", "Pipe", "NewFile",
		"Stdin", "Stdout", "Stderr", "Exit", "Args", "Executable", "Getenv", "LookupEnv", "Setenv", "Unsetenv", "Clearenv", "Environ", "ExpandEnv",
		"UserHomeDir", "UserCacheDir", "UserConfigDir", "StartProcess", "FindProcess"},
	"os/exec":   {"Command", "CommandContext", "LookPath"},
	"os/signal": {"Notify", "NotifyContext", "Ignore", "Reset", "Stop"},
	"time":      {"Now", "Since", "Until"},
	"fmt":       {"Print", "Printf", "Println"},
}

// mutants is part of no normal build: it reads from the environment which rules a
// test build removes.
const mutants = "internal/mutate/rules_mutate.go"

// mayUse are the files that use doors, and which.
var mayUse = map[string][]string{
	// The clock of nodes that are given none, and how long something took.
	"internal/clock/clock.go": {"time.Now", "time.Since"},
	// What a process is that pipeproc has started: read once, and taken away.
	"internal/child/child.go": {"os.LookupEnv", "os.Unsetenv"},
	// Files that are a whole process: one that Main runs.
	"worker/program/self.go": {"os.Args", "os.Executable", "os.Exit", "os.Stderr", "os.Stdin", "os.Stdout"},
	"rpc/spawn_node.go":      {"os.Exit", "os.Stderr", "os.Stdin", "os.Stdout", "signal.Ignore", "signal.NotifyContext"},
	// Where such processes are started.
	"worker/program/process.go":       {"exec.Command"},
	"worker/program/process_pipes.go": {"os.Pipe"},
	"worker/program/runner.go":        {"os.Environ"},
	"rpc/spawn.go":                    {"exec.LookPath"},
	"rpc/spawn_watch.go":              {"exec.Command", "os.Environ", "os.Pipe"},
	// What a spawned node writes its answer to.
	"rpc/spawn_status_unix.go":    {"os.NewFile"},
	"rpc/spawn_status_windows.go": {"os.Stdout"},
	// The files that unix sockets are, the folder of those of a user, certificates.
	"rpc/transport/socketfile_unix.go": {"os.Chmod", "os.Lstat", "os.Mkdir", "os.OpenFile", "os.Remove"},
	"rpc/transport/addr.go":            {"os.TempDir"},
	"rpc/transport/tls.go":             {"os.ReadFile", "os.Stat"},
}

// TestNoBackDoors: files are touched through vfs only, and the clock is read in one
// place, so that tests can stand in for both. Libraries print nothing, end nothing
// and read nothing of the process's surroundings. The list is exact.
func TestNoBackDoors(t *testing.T) {
	found := map[string][]string{}
	sources(t, func(rel string, fset *token.FileSet, f *ast.File) {
		if floors[floorOf(folder(rel))] == nil || rel == mutants {
			return
		}
		for pkg, names := range doors {
			uses(f, f, pkg, func(sel *ast.SelectorExpr) {
				if !slices.Contains(names, sel.Sel.Name) || pkg == "os" && folder(rel) == "vfs" {
					return
				}
				use := fmt.Sprintf("%s.%s", pkg[strings.LastIndexByte(pkg, '/')+1:], sel.Sel.Name)
				if !slices.Contains(mayUse[rel], use) {
					t.Errorf("%s: %s in a library", fset.Position(sel.Pos()), use)
				}
				found[rel] = append(found[rel], use)
			})
		}
		for _, i := range f.Imports {
			if path := pathOf(i); path == "log" || path == "io/ioutil" || path == "math/rand" || path == "plugin" || path == "net/http" {
				t.Errorf("%s imports %s", rel, path)
			}
		}
	})
	for file, list := range mayUse {
		for _, use := range list {
			if !slices.Contains(found[file], use) {
				t.Errorf("%s may use %s, which it does not do", file, use)
			}
		}
	}
}

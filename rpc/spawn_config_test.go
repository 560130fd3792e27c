package rpc

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/worker/program"
)

// Every option that can be told to another process is told under the name that it has
// always had: a node that does not know the name drops it, and prunes too early, say.
func TestChildConfig(t *testing.T) {
	var o pipeproc.Options
	fillOptions(reflect.ValueOf(&o).Elem())
	o.GC = &pipeproc.GCOptions{Interval: time.Minute, MinAge: time.Hour, IgnoreDisabled: true}
	p := program.RunnerOptions{Workers: 1, Concurrency: 2, RestartAfter: 3}
	b, err := json.Marshal(childConfig{Dir: "d", Node: newChildNode(&o, &p)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"MinPruneTime":3600000000000`, `"Processes":{"Workers":1,"Concurrency":2,"RestartAfter":3}`, `"SegmentSize"`, `"WALSize"`} {
		if !strings.Contains(string(b), name) {
			t.Errorf("no %s in %s", name, b)
		}
	}
	c, err := decodeChildConfig(b)
	if err != nil {
		t.Fatal(err)
	}
	gotO, gotP := c.Node.options()
	if !reflect.DeepEqual(gotO, o) || !reflect.DeepEqual(gotP, p) {
		t.Errorf("%+v %+v\nwant %+v %+v", gotO, gotP, o, p)
	}
	if _, err := decodeChildConfig([]byte(`{"Dir":"d","Node":{"KeepFor":5}}`)); err == nil {
		t.Error("an option that is not known was dropped")
	}
}

// fillOptions gives every field of o that is a number, a flag, or a struct of such, a
// value, so that a new field that is not told makes the test fail.
func fillOptions(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.Uint8:
			f.SetUint(1)
		case reflect.Struct:
			fillOptions(f)
		}
	}
}

// A proc that is noted as a client's own when the client has left ends like the others.
func TestOwnAfterLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := pipeproc.OpenMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		ctx := t.Context()
		if _, err := n.EnsureProc(ctx, pipeproc.ProcOptions{Name: "p", Topic: "t", Ephemeral: true}); err != nil {
			t.Fatal(err)
		}
		c := clients{n: n, linger: time.Minute}
		defer c.close()
		id := [16]byte{1}
		c.come(id)
		c.leave(id)
		c.own(id, "p")
		time.Sleep(2 * time.Minute) // of the bubble's clock
		synctest.Wait()
		if list, err := n.Procs(ctx); err != nil || len(list) > 0 {
			t.Errorf("%d procs are left: %v", len(list), err)
		}
	})
}

// What a node is allowed to run does not follow the program's working directory.
func TestChildFilesAreAbsolute(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	given := []string{"bin", exe}
	s := &Spawned{o: SpawnOptions{Binary: exe, Address: "tcp://127.0.0.1:0", AllowExec: given}}
	t.Chdir(t.TempDir())
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(home, "bin"), exe}
	if !reflect.DeepEqual(s.child.AllowExec, want) || given[0] != "bin" || s.child.Dir != filepath.Join(home, defaultDir) {
		t.Errorf("%q, %q, %q", s.child.AllowExec, given, s.child.Dir)
	}
}

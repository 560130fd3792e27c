package behaviour_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// Close tells processors to stop. One that succeeds all the same is
// acknowledged, with its output; one that fails gives its claim back uncounted.
func TestSystemProcAtClose(t *testing.T) {
	for _, succeeds := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewCrash()
			n := openOn(t, disk, pipeproc.Options{})
			told := false
			n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Processor: func(ctx context.Context, w *pipeproc.Work) error {
				w.Emit(w.Records()[0].Body)
				<-ctx.Done()
				told = true
				time.Sleep(time.Second)
				if succeeds {
					return nil
				}
				return context.Cause(ctx)
			}})
			n.commit("t", "0", "1")
			synctest.Wait()
			begin := time.Now()
			n.shut()
			if !told || time.Since(begin) != time.Second {
				t.Errorf("told %v, closed after %v", told, time.Since(begin))
			}
			n = openOn(t, disk, pipeproc.Options{})
			i := n.info("s")
			if i.Claim != (pipeproc.Token{}) || i.Reclaims != 0 || !i.RetryAt.IsZero() {
				t.Errorf("the claim is open or counted: %+v", i)
			}
			if succeeds {
				n.wantTopic("u", "0")
				n.want(pipeproc.ProcOptions{Name: "s", Topic: "t"}, "1")
			} else {
				n.wantTopic("u")
				n.want(pipeproc.ProcOptions{Name: "s", Topic: "t"}, "0")
			}
		})
	}
}

// A processor that ignores it is waited for as long as CloseGrace says, and
// named. Its claim is taken back at the next opening, and counts.
func TestSystemProcCloseGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewCrash()
		n := openOn(t, disk, pipeproc.Options{CloseGrace: 3 * time.Second})
		free := make(chan struct{})
		n.system(pipeproc.SystemProcOptions{Name: "stubborn", From: []string{"t"}, To: []string{"u"}, Processor: func(_ context.Context, w *pipeproc.Work) error {
			w.Emit(nil)
			<-free
			return nil
		}})
		n.commit("t", "0")
		synctest.Wait()
		begin := time.Now()
		err := n.Close()
		if time.Since(begin) != 3*time.Second {
			t.Errorf("closed after %v", time.Since(begin))
		}
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"stubborn"`) {
			t.Error(err)
		}
		again := openOn(t, disk, pipeproc.Options{})
		close(free) // what it emitted goes nowhere
		synctest.Wait()
		again.wantTopic("u")
		if i := again.info("stubborn"); i.Claim != (pipeproc.Token{}) || i.Reclaims != 1 {
			t.Errorf("%+v", i)
		}
		pass(time.Second)
		again.want(pipeproc.ProcOptions{Name: "stubborn", Topic: "t"}, "0")
	})
}

// Each stops between records when its context ends.
func TestEachStopsAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewCrash()
		n := openOn(t, disk, pipeproc.Options{})
		var seen []string
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 3, Processor: pipeproc.Each(func(ctx context.Context, rec pipeproc.Record, _ *pipeproc.Work) error {
			seen = append(seen, string(rec.Body))
			<-ctx.Done()
			return nil
		})})
		n.commit("t", "0", "1", "2")
		synctest.Wait()
		n.shut()
		if len(seen) != 1 {
			t.Errorf("%q", seen)
		}
		n = openOn(t, disk, pipeproc.Options{})
		n.want(pipeproc.ProcOptions{Name: "s", Topic: "t", Count: 3}, "0", "1", "2")
	})
}

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// liveView shows the stages while they work, on a terminal, redrawn in place.
type liveView struct {
	draw  func()
	clear func() // nil: no terminal
	quit  chan struct{}
	done  sync.WaitGroup
}

// live starts a view, which must be stopped. It shows nothing if the output is
// not a terminal.
func (d *demo) live() *liveView {
	if !isTerminal(d.stdout) || os.Getenv("TERM") == "dumb" {
		return &liveView{quit: make(chan struct{})}
	}
	v := d.newLive()
	v.done.Go(v.run)
	return v
}

func (d *demo) newLive() *liveView {
	v := &liveView{quit: make(chan struct{})}
	drawn := 0
	v.clear = func() { fmt.Fprintf(d.stdout, "\x1b[%dA\x1b[J", drawn) }
	v.draw = func() {
		lines := strings.Split(table(d.stageRows(true)), "\n")
		var b strings.Builder
		if drawn > 0 {
			fmt.Fprintf(&b, "\x1b[%dA", drawn)
		}
		drawn = len(lines)
		b.WriteString("\x1b[?7l") // what does not fit is cut off, not wrapped
		for i, line := range lines {
			if i == 0 {
				line = d.text.style(line, dim)
			}
			b.WriteString("  " + line + "\x1b[K\n")
		}
		b.WriteString("\x1b[?7h")
		fmt.Fprint(d.stdout, b.String())
	}
	return v
}

func (v *liveView) run() {
	t := time.NewTicker(progressEvery)
	defer t.Stop()
	for {
		v.draw()
		select {
		case <-t.C:
		case <-v.quit:
			return
		}
	}
}

// stop removes the view, which has been drawn at least once.
func (v *liveView) stop() {
	close(v.quit)
	v.done.Wait()
	if v.clear != nil {
		v.clear()
	}
}

// stageRows describe the current state of the stages, with or without bars.
func (d *demo) stageRows(bars bool) [][]string {
	head := []string{"stage", "records", "claims", "again", "records/s"}
	g := &d.ingested
	ingest := []string{"ingest", count(g.lines.Load()), "-", "-", perSecond(g.lines.Load(), time.Duration(max(g.elapsed.Load(), 1)))}
	done := g.done()
	if g.lines.Load() == 0 {
		ingest[4] = "-"
	}
	rows := [][]string{head, ingest}
	parts := []float64{0, done}
	for _, s := range d.stages {
		row, part := d.stageRow(s)
		done *= part // of what the previous stage has made
		rows, parts = append(rows, row), append(parts, done)
	}
	if bars {
		rows[0] = append([]string{head[0], strings.Repeat(" ", barWidth), ""}, head[1:]...)
		for i := 1; i < len(rows); i++ {
			part, percent := bar(parts[i]), fmt.Sprintf("%3.0f%%", 100*parts[i])
			if i == 1 && g.size == 0 { // the total is unknown
				part, percent = "", ""
			}
			rows[i] = append([]string{rows[i][0], part, percent}, rows[i][1:]...)
		}
	}
	return rows
}

// stageRow returns the row of a stage and the fraction of its topic that it has
// processed.
func (d *demo) stageRow(s *stage) ([]string, float64) {
	row := []string{s.name, "0", count(s.claims.Load()), count(s.again.Load()), "-"}
	i, err := d.node.InspectProc(context.Background(), s.name)
	began := s.began.Load()
	if err != nil || began == 0 {
		return row, 0
	}
	n := i.Next - s.begin
	row[1] = count(n)
	if n > 0 {
		// In whole milliseconds, rounded up: the rate never looks better than it was.
		row[4] = perSecond(n, time.Duration(i.LastAckedAt.UnixMilli()-began+1)*time.Millisecond)
	}
	return row, float64(n) / float64(max(n+i.Pending, 1))
}

const barWidth = 24

// bar draws a fraction.
func bar(part float64) string {
	eighths := min(max(int(part*barWidth*8), 0), barWidth*8)
	s := strings.Repeat("█", eighths/8)
	if eighths%8 > 0 {
		s += string([]rune(" ▏▎▍▌▋▊▉")[eighths%8])
	}
	return s + strings.Repeat("·", barWidth-len([]rune(s)))
}

package main

import (
	"fmt"
	"math"
	"os"
	"strings"
)

// The plot shows the cost of a record as a store grows, as text that a browser
// renders: four panels with a logarithmic axis of records or topics.

type series struct {
	name, color string
	x, y        []float64
}

type panel struct {
	title, xName, yName string
	series              []series
}

const (
	panelWidth  = 420
	panelHeight = 260
	marginLeft  = 64
	marginOther = 40
	panelsInRow = 2
)

func writePlot(path string, rows []*row) error {
	panels := panelsOf(rows)
	if len(panels) == 0 {
		return fmt.Errorf("the plot needs the rows of grow and topics, which were not measured")
	}
	var b strings.Builder
	height := (len(panels) + panelsInRow - 1) / panelsInRow * panelHeight
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n",
		panelsInRow*panelWidth, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	for i, p := range panels {
		fmt.Fprintf(&b, `<g transform="translate(%d,%d)">`+"\n", i%panelsInRow*panelWidth, i/panelsInRow*panelHeight)
		p.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// panelsOf makes the panels for the rows that were measured.
func panelsOf(rows []*row) []*panel {
	var list []*panel
	for _, by := range []struct{ workload, what string }{{"grow", "records"}, {"topics", "topics, 1 million records"}} {
		cost := &panel{title: "cost of a record by " + by.what, xName: by.what, yName: "ns"}
		cost.series = []series{{name: "append in batches of 100", color: "#c33"}, {name: "scan", color: "#36c"}, {name: "read by sequence", color: "#393"}}
		size := &panel{title: "opening, and memory then, by " + by.what, xName: by.what, yName: "ms, MB"}
		size.series = []series{{name: "open, ms", color: "#c33"}, {name: "heap, MB", color: "#36c"}}
		for _, r := range rows {
			if r.w.name != by.workload || len(r.results) == 0 {
				continue
			}
			x := float64(r.n)
			if by.workload == "topics" {
				x = float64(r.w.topics)
			}
			cost.series[0].add(x, 1e9/r.rate)
			cost.series[1].add(x, 1e9/r.extra["scan_per_s"])
			cost.series[2].add(x, 1e9/r.extra["get_per_s"])
			size.series[0].add(x, r.extra["open_ms"])
			size.series[1].add(x, r.extra["heap_mb"])
		}
		if len(cost.series[0].x) > 1 {
			list = append(list, cost, size)
		}
	}
	return list
}

func (s *series) add(x, y float64) {
	s.x = append(s.x, x)
	s.y = append(s.y, y)
}

// bounds returns whole powers of ten around the values.
func bounds(list []series, get func(*series) []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for i := range list {
		for _, v := range get(&list[i]) {
			if v > 0 {
				low, high = min(low, math.Floor(math.Log10(v))), max(high, math.Ceil(math.Log10(v)))
			}
		}
	}
	return low, max(high, low+1)
}

func (p *panel) draw(b *strings.Builder) {
	x0, x1 := bounds(p.series, func(s *series) []float64 { return s.x })
	y0, y1 := bounds(p.series, func(s *series) []float64 { return s.y })
	px := func(v float64) float64 {
		return marginLeft + (math.Log10(v)-x0)/(x1-x0)*(panelWidth-marginLeft-marginOther)
	}
	py := func(v float64) float64 {
		return panelHeight - marginOther - (math.Log10(max(v, math.Pow(10, y0)))-y0)/(y1-y0)*(panelHeight-2*marginOther)
	}
	fmt.Fprintf(b, `<text x="%d" y="16" font-size="13">%s</text>`+"\n", marginLeft, p.title)
	for e := y0; e <= y1; e++ {
		y := py(math.Pow(10, e))
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			marginLeft, y, panelWidth-marginOther, y, marginLeft-6, y+4, short(math.Pow(10, e)))
	}
	for e := x0; e <= x1; e++ {
		x := px(math.Pow(10, e))
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x, marginOther, x, panelHeight-marginOther, x, panelHeight-marginOther+14, short(math.Pow(10, e)))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text><text x="%d" y="%d" text-anchor="end">%s</text>`+"\n",
		panelWidth-marginOther, panelHeight-8, p.xName, marginLeft-6, marginOther-12, p.yName)
	for i, s := range p.series {
		var line strings.Builder
		for k := range s.x {
			fmt.Fprintf(&line, "%.1f,%.1f ", px(s.x[k]), py(s.y[k]))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/><text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n",
				px(s.x[k]), py(s.y[k]), s.color, px(s.x[k])+4, py(s.y[k])-5, s.color, short(s.y[k]))
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s"/><text x="%d" y="30" fill="%s">%s</text>`+"\n",
			strings.TrimSpace(line.String()), s.color, marginLeft+i*140, s.color, s.name)
	}
}

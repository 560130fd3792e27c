package main

import (
	"cmp"
	"slices"
)

// row summarizes the measurements of one system on one workload.
type row struct {
	w   *workload
	sys *system

	Err     string
	results []*result

	rate, least, most float64 // records/s: median, lowest, highest
	mb, p50, p99      float64
	rss, disk         float64
	n                 int
	extra             map[string]float64
}

func newRow(w *workload, s *system) *row { return &row{w: w, sys: s} }

func (r *row) add(res *result) {
	if res.Err != "" {
		r.Err = res.Err
		return
	}
	r.results = append(r.results, res)
}

func (r *result) rate() float64 {
	if r.Seconds == 0 {
		return 0
	}
	return float64(r.N) / r.Seconds
}

// finish takes the median of each figure.
func (r *row) finish() {
	if len(r.results) == 0 {
		return
	}
	of := func(get func(*result) float64) float64 {
		list := make([]float64, len(r.results))
		for i, res := range r.results {
			list[i] = get(res)
		}
		return median(list)
	}
	r.rate = of((*result).rate)
	r.least = slices.MinFunc(r.results, func(a, b *result) int { return cmp.Compare(a.rate(), b.rate()) }).rate()
	r.most = slices.MaxFunc(r.results, func(a, b *result) int { return cmp.Compare(a.rate(), b.rate()) }).rate()
	r.mb = of(func(x *result) float64 { return x.rate() * float64(x.Bytes) / float64(max(x.N, 1)) / 1e6 })
	r.p50 = of(func(x *result) float64 { return x.P50 })
	r.p99 = of(func(x *result) float64 { return x.P99 })
	r.rss = of(func(x *result) float64 { return x.RSS })
	r.disk = of(func(x *result) float64 { return x.Disk })
	r.n = r.results[0].N
	r.extra = map[string]float64{}
	for name := range r.results[0].Extra {
		r.extra[name] = of(func(x *result) float64 { return x.Extra[name] })
	}
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Clone(list)
	slices.Sort(list)
	if n := len(list); n%2 == 0 {
		return (list[n/2-1] + list[n/2]) / 2
	}
	return list[len(list)/2]
}

// ratio returns the median over the rounds of a figure of r divided by that of
// b in the same round.
func ratio(r, b *row, get func(*result) float64) float64 {
	var list []float64
	for i := range min(len(r.results), len(b.results)) {
		if d := get(b.results[i]); d != 0 {
			list = append(list, get(r.results[i])/d)
		}
	}
	return median(list)
}

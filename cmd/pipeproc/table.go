package main

import (
	"fmt"
	"strings"
)

// table lays out rows in columns, the first left-aligned and the others
// right-aligned, without a trailing newline.
func table(rows [][]string) string {
	var width []int
	for _, row := range rows {
		for i, s := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len([]rune(s)))
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, s := range row {
			switch i {
			case 0:
				fmt.Fprintf(&b, "%-*s", width[i], s)
			default:
				fmt.Fprintf(&b, "  %*s", width[i], s)
			}
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return strings.Join(lines, "\n")
}

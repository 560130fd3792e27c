package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// count writes a number with commas: 12,345.
func count[T int | int64 | uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a count and its noun, singular or plural, without commas
// because scripts may read it.
func plural[T int | int64 | uint64](n T, noun string) string {
	return fmt.Sprintf("%d %s", n, inflect(n, noun))
}

// many is plural with commas.
func many[T int | int64 | uint64](n T, noun string) string {
	return count(n) + " " + inflect(n, noun)
}

func inflect[T int | int64 | uint64](n T, noun string) string {
	switch {
	case n == 1:
		return noun
	case strings.HasSuffix(noun, "h"):
		return noun + "es"
	}
	return noun + "s"
}

// size writes a number of bytes for people.
func size(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if f < 999.5 {
			break
		}
		f, unit = f/1000, u
	}
	if unit == "B" || f >= 99.5 {
		return fmt.Sprintf("%.0f %s", f, unit)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// plainRate is perSecond without commas.
func plainRate(n uint64, d time.Duration) string {
	return strings.ReplaceAll(perSecond(n, d), ",", "")
}

// perSecond writes n per second.
func perSecond[T int | int64 | uint64](n T, d time.Duration) string {
	return count(int64(float64(n) / max(d, time.Microsecond).Seconds()))
}

// took writes a duration for people.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// millis returns unix milliseconds, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// clock writes a time as UTC.
func clock(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

package model

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// shrink leaves operations out of a list for as long as what is left fails, too:
// halves first, then smaller and smaller pieces, until none of them can go (delta
// debugging). run says at which operation a list fails. Runs are not fully
// deterministic, so each list gets some tries.
func shrink(list []int, first error, until time.Time, run func(list []int) (done int, err error)) ([]int, error) {
	best, bestErr := list, first
	for piece := max(1, len(best)/2); ; {
		smaller := false
		for at := len(best) - piece; at > -piece; at -= piece { // the end first: it has what failed
			from := max(0, at)
			if at+piece > len(best) {
				continue
			}
			l := slices.Delete(slices.Clone(best), from, at+piece)
			for range 3 {
				if time.Now().After(until) {
					return best, bestErr
				}
				if done, err := run(l); err != nil {
					best, bestErr, smaller = slices.Clone(l[:min(done, len(l))]), err, true
					break
				}
			}
		}
		if piece == 1 && !smaller {
			return best, bestErr
		}
		if !smaller || piece > len(best)/2 {
			piece = max(1, piece/2)
		}
	}
}

// replayLine is the command that runs a list of operations again.
func replayLine(seed uint64, list []int) string {
	return fmt.Sprintf("go test ./tests/model -run 'TestModel$' -model.seed=%d -model.only=%s", seed, formatList(list))
}

// formatList writes a list that rises as parseList reads it.
func formatList(list []int) string {
	var parts []string
	for i := 0; i < len(list); {
		k := i
		for k+1 < len(list) && list[k+1] == list[k]+1 {
			k++
		}
		part := strconv.Itoa(list[i])
		if k > i {
			part += "-" + strconv.Itoa(list[k])
		}
		parts = append(parts, part)
		i = k + 1
	}
	return strings.Join(parts, ",")
}

func parseList(s string) (list []int, err error) {
	for _, part := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err := strconv.Atoi(from)
		if err != nil {
			return nil, err
		}
		b, err := strconv.Atoi(to)
		if err != nil || b < a || b-a > 1<<20 {
			return nil, fmt.Errorf("no range of operations: %q", part)
		}
		for ; a <= b; a++ {
			list = append(list, a)
		}
	}
	return list, nil
}

// TestShrink: of 300 operations, the three that a fault needs are found.
func TestShrink(t *testing.T) {
	list := make([]int, 300)
	for i := range list {
		list[i] = i
	}
	need := []int{17, 120, 251}
	runs := 0
	got, err := shrink(list, errors.New("first"), time.Now().Add(time.Minute), func(l []int) (int, error) {
		runs++
		have := 0
		for i, k := range l {
			if slices.Contains(need, k) {
				have++
			}
			if have == len(need) {
				return i + 1, errors.New("it fails")
			}
		}
		return len(l), nil
	})
	if !slices.Equal(got, need) || err == nil || err.Error() != "it fails" {
		t.Errorf("%v, %v", got, err)
	}
	t.Logf("%d runs", runs)
	again, err := parseList(formatList([]int{1, 2, 3, 7, 9, 10}))
	if err != nil || !slices.Equal(again, []int{1, 2, 3, 7, 9, 10}) {
		t.Errorf("%v, %v", again, err)
	}
}

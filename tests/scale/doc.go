// Package scale measures large stores: many records, many topics. It has no
// code of its own. By default its sizes suit every run of the tests; the full
// sizes, and the assertions about time, come with
//
//	go test -count=1 -v -timeout 30m ./tests/scale -scale.full
package scale

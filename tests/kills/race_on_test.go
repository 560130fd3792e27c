//go:build race

package proctest

const raceOn = true

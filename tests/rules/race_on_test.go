//go:build race

package limits

const raceOn = true

//go:build !race

package limits

const raceOn = false

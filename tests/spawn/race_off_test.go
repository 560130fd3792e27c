//go:build !race

package spawn

const raceOn = false

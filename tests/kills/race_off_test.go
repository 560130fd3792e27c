//go:build !race

package kills

const raceOn = false

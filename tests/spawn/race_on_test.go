//go:build race

package spawntest

const raceOn = true

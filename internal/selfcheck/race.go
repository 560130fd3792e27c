//go:build race

package selfcheck

const race = true

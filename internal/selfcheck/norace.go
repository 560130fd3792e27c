//go:build !race

package selfcheck

const race = false

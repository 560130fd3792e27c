// Package lintest checks that operations on procs, made by many clients at once,
// are linearizable: that each takes effect at one moment between its call and its
// return, as if they had been made one after the other.
package lintest

// Package pipeline brings together the definitions of system procs, which a store
// keeps, and the processors, which a program has, and runs them in pools of
// package worker: one pool for Go functions, one for programs.
//
// It promises that a proc is in at most one pool of a Manager, that a changed
// definition replaces the running one, and that a proc with nothing to run it says
// why. It does not keep definitions, and does not decide what a claim holds.
package pipeline

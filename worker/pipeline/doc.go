// Package pipeline joins the definitions of system procs, which a store keeps,
// with the processors that a program has, and runs them in pools of package
// worker: one pool for Go functions, one for external programs.
//
// It promises that a proc is in at most one pool of a Manager, that a changed
// definition replaces the running one, and that it says why a proc cannot run.
// It does not keep definitions, and does not decide what a claim holds.
//
// The version of the module does not cover this package.
package pipeline

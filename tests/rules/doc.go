// Package rules tests what the code keeps to as a whole: which package may import
// which, where files, clocks and processes are touched, what the API names, memory
// per record, and the limits of sizes, names and disk use. It has no code besides
// tests.
package rules

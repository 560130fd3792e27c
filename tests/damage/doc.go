// Package damage holds the standing fuzz of latent damage: stores that were closed,
// killed once or killed twice, one or two of whose files were then flipped, zeroed, cut,
// deleted, swapped, or replaced by an older copy. What was acknowledged must be right or
// reported, by Verify without opening the store, and by Open; Repair's list must cover
// whatever it does not bring back. It has no code of its own besides tests.
//
//	go test ./tests/damage                                    # some seconds
//	go test ./tests/damage -damage.n=20000 -damage.seed=1     # long
//	go test ./tests/damage -damage.try=4711                   # one try again
//
// The stores are in memory. A failure prints the number of its try and what was done to
// which file. The table of counts is by kind of file, kind of damage and outcome.
package damage

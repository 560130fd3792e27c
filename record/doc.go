// Package record holds the vocabulary that all machines of a node share:
// records, their ids, and the text forms of places in a topic. It knows no
// state and no files.
//
// The version of the module covers this package.
package record

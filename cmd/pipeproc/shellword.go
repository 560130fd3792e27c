package main

import (
	"os"
	"strings"
)

// shellWord quotes s for a shell if need be.
func shellWord(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./", r)
	}) < 0 && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// programName is how this program was called.
func programName() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/pipeproc"
	}
	return "pipeproc"
}

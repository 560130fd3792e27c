package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

// tokenFlag is the text of a token; the zero token unless it is given.
type tokenFlag struct{ t pipeproc.Token }

func (f *tokenFlag) Set(s string) (err error) {
	if f.t, err = pipeproc.ParseToken(s); err != nil || s == "" {
		return errors.New("it must be the text of a claim, such as 3-1, as 'pipeproc inspect' shows it")
	}
	return nil
}
func (f *tokenFlag) String() string { return f.t.String() }
func (f *tokenFlag) Type() string   { return "TOKEN" }

func claimFlag(cmd *cobra.Command) *tokenFlag {
	f := new(tokenFlag)
	cmd.Flags().Var(f, "claim", "the claim that is meant; it fails if another one is open, or none")
	return f
}

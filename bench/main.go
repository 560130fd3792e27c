// Command bench measures pipeproc, other engines and the limits of the hardware
// on the same workloads. README.md explains the output. Linux only.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == childArg {
		os.Exit(childMain(os.Args[2]))
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	suite   string
	only    []string
	systems []string
	dir     string
	json    string
	plot    string
	reps    int
	params  params
	cpu     string
}

func run(args []string) error {
	var o options
	var only, systems string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.suite, "suite", "quick", "quick (headline rows, best peers, under 4 minutes) or full")
	f.StringVar(&only, "only", "", "workloads, NAME,…: the start of a name is enough")
	f.StringVar(&systems, "systems", "", "systems, NAME,…, of those that the suite has for a row")
	f.StringVar(&o.dir, "dir", "", "folder on the disk to measure (default: the system's temporary one)")
	f.StringVar(&o.json, "json", "", "file for the results, one JSON object per row")
	f.StringVar(&o.plot, "plot", "", "file for the plot of how cost grows (SVG; the rows of the workload grow)")
	f.IntVar(&o.reps, "reps", 0, "how often each row is measured (default 3)")
	f.Float64Var(&o.params.Scale, "scale", 1, "factor on the numbers of records")
	f.BoolVar(&o.params.Huge, "huge", false, "let grow go on to 100 million records")
	f.StringVar(&o.cpu, "cpuprofile", "", "folder for a CPU profile of each measurement")
	table := f.String("show", "", "print the table of a file made with -json, as Markdown, and measure nothing")
	list := f.Bool("list", false, "list the workloads")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.suite != "quick" && o.suite != "full" {
		return fmt.Errorf("-suite is quick or full, not %q", o.suite)
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	if systems != "" {
		o.systems = strings.Split(systems, ",")
	}
	if *table != "" {
		return show(os.Stdout, *table)
	}
	if *list {
		for _, w := range workloads(o.params) {
			fmt.Printf("%-22s %s\n", w.id(), w.what)
		}
		return nil
	}
	return runSuite(&o)
}

package damage

// known lists the classes of tries that are known to fail. TestDamage tolerates them, and
// says with -damage.n which of them it did not see. A line goes when its cause is mended;
// -damage.all tolerates none.
var known = []knownFailure{
	// The end of the log is known from the log's own bytes only.
	{"log", "", -1, "SILENT", "S1, S2: nothing else knows where the log ends"},
	{"log spare", "swap", -1, "SILENT", "S2: with a file that counts"},
	{"log", "", -1, "CUT", "S2: the last frames have no witness"},
	{"STORE", "older", -1, "CUT", "S2: the log of an older STORE was reused"},
	// Repair's list.
	{"log", "", -1, "REPAIR-SILENT", "S4: a log file that is missing or not its own"},
	{"log spare", "delete all", -1, "REPAIR-SILENT", "S4"},
	{"log spare", "swap", -1, "REPAIR-SILENT", "S4: with a file that counts"},
	{"STORE", "older", -1, "REPAIR-SILENT", "S4: an older STORE, whose log is gone"},
	{"snapshot", "", -1, "REPAIR-SILENT", "S5: topics without a file, and procs, of a lost snapshot are not listed"},
	{"snapshot old", "swap", -1, "REPAIR-SILENT", "S5: with the one that counts"},
	// With two damages, of which one is of the witness.
	{"mark", "", -1, "SILENT", "no witness is left"},
	{"mark", "", -1, "CUT", "no witness is left"},
}

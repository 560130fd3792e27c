package damage

// known lists the classes of tries that are known to fail. TestLatentDamage tolerates them, and
// says with -damage.n which of them it did not see. A line goes when its cause is mended;
// -damage.all tolerates none.
var known = []knownFailure{
	// Two damages, one of them of the log's witness: nothing else knows where it ended.
	{"mark", "", -1, "SILENT", "no witness is left"},
	{"mark", "", -1, "CUT", "no witness is left"},
	{"mark", "", -1, "REPAIR-SILENT", "no witness is left"},
	// Repair's list.
	{"STORE", "", -1, "REPAIR-SILENT", "S4: STORE is lost, and files of the log with it"},
}

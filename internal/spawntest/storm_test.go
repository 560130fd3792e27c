package spawntest

func client(arg string) error { return nil }

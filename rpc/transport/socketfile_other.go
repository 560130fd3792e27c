//go:build !unix

package transport

// checkSocket refuses every unix socket: what protects one is the mode of its
// folder and a lock that ends with its holder.
func checkSocket(a Addr) error {
	return errAddress.With(a.String() + ": unix sockets with a private folder need a unix system; use tcp:// or tls://")
}

// privateDir is for addresses that checkSocket has let through.
func privateDir(dir string, _ bool) error { return checkSocket(Addr{Scheme: SchemeUnix, Path: dir}) }

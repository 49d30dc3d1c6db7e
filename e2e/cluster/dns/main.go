// Command coredns is CoreDNS with the few plugins a cluster without internet needs.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

// The order in which plugins see a query: the template comes last, so that it can answer for what nobody knows.
func init() {
	dnsserver.Directives = []string{"errors", "health", "ready", "cache", "hosts", "kubernetes", "template"}
}

func main() { coremain.Run() }

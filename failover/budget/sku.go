package budget

import (
	"fmt"
	"strings"
	"time"

	"lifeboat/infra/azure"
)

// logged is how many bytes Azure SQL logs for a byte of canonical row: indexes and page
// headers come on top of the row.
const logged = 1.6

// mostCores is the largest size that Azure offers on the hardware that stacks use.
const mostCores = 80

// LogRate is what the log-rate governor of an Azure SQL SKU allows, in bytes a second; ok is
// false for what it does not know, such as another engine.
func LogRate(name string) (rate float64, ok bool) {
	sku, err := azure.ParseDatabaseSKU(name)
	return sku.LogMBps * 1e6, err == nil
}

// DatabaseOf names a database as observations do: its kind, and its SKU if it has one.
func DatabaseOf(kind, sku string) string { return strings.TrimSpace(kind + " " + sku) }

// governed is the least time that the governor lets a restore take; 0 where there is none.
func governed(w Work, database string) (seconds, rate float64) {
	_, name, _ := strings.Cut(database, " ")
	rate, ok := LogRate(name)
	if !ok {
		return 0, 0
	}
	return float64(w.RowBytes) * logged / rate, rate
}

// Proposal is a size for the restore alone.
type Proposal struct {
	SKU    string // for the restore
	After  string // to scale down to
	VCores int64  // that the quota has to have for SKU; 0 = not known
	Why    string
}

// Propose picks the smallest size of the database's own family whose governed restore fits
// into `within`, or that from which on more cores bring nothing. A database without such a
// SKU, or fast enough as it is, stays as it is.
func Propose(w Work, name string, within time.Duration) Proposal {
	own, err := azure.ParseDatabaseSKU(name)
	if err != nil {
		return Proposal{SKU: name, After: name, Why: "no log-rate governor is known for it"}
	}
	p := Proposal{SKU: name, After: name, VCores: int64(own.VCores), Why: "its log rate suffices"}
	took := func(size string) float64 { s, _ := governed(w, "x "+size); return s }
	family := name[:strings.LastIndexByte(name, '_')]
	for c := own.VCores + 1; c <= mostCores && took(p.SKU) > within.Seconds(); c++ {
		next, err := azure.ParseDatabaseSKU(fmt.Sprintf("%s_%d", family, c))
		if err != nil || took(next.Name) >= took(p.SKU) {
			continue // not for sale, or held back by the tier's own limit
		}
		p.SKU, p.VCores = next.Name, int64(c)
		p.Why = fmt.Sprintf("its log rate lets the rows through in %.0f s, that of %s in %.0f s", took(next.Name), name, took(name))
	}
	return p
}

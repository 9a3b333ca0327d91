package budget

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// logged is how many bytes Azure SQL logs for a byte of canonical row: indexes and page
// headers come on top of the row.
const logged = 1.6

// tier is how a service tier governs its log: bytes a second for each vCore, and at most.
type tier struct{ perCore, most float64 }

var tiers = map[string]tier{
	"GP": {4.5e6, 36e6}, "BC": {12e6, 96e6}, "HS": {100e6, 100e6},
}

// cores are the sizes that Azure offers on Gen5 hardware.
var cores = []int{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 32, 40, 80}

// sku takes apart names like GP_Gen5_4, GP_S_Gen5_2 and HS_Gen5_8.
func sku(name string) (family string, vcores int, ok bool) {
	parts := strings.Split(name, "_")
	n, err := strconv.Atoi(parts[len(parts)-1])
	_, known := tiers[parts[0]]
	if err != nil || len(parts) < 3 || !known || n < 1 {
		return "", 0, false
	}
	return strings.Join(parts[:len(parts)-1], "_"), n, true
}

// LogRate is what the log-rate governor of an Azure SQL SKU allows, in bytes a second; ok is
// false for what it does not know, such as another engine.
func LogRate(name string) (rate float64, ok bool) {
	family, n, ok := sku(name)
	if !ok {
		return 0, false
	}
	t := tiers[family[:2]]
	return min(t.perCore*float64(n), t.most), true
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
	VCores int64  // that the quota has to have for SKU
	Why    string
}

// Propose picks the smallest size of the database's own family whose governed restore fits
// into `within`, or that from which on more cores bring nothing. A database without such a
// SKU, or fast enough as it is, stays as it is.
func Propose(w Work, name string, within time.Duration) Proposal {
	family, n, ok := sku(name)
	if !ok {
		return Proposal{SKU: name, After: name, Why: "no log-rate governor is known for it"}
	}
	p := Proposal{SKU: name, After: name, VCores: int64(n), Why: "its log rate suffices"}
	took := func(size string) float64 { s, _ := governed(w, "x "+size); return s }
	for _, c := range cores[slices.IndexFunc(cores, func(c int) bool { return c >= min(n, cores[len(cores)-1]) }):] {
		if took(p.SKU) <= within.Seconds() {
			break
		}
		if next := fmt.Sprintf("%s_%d", family, c); took(next) < took(p.SKU) {
			p.SKU, p.VCores = next, int64(c)
			p.Why = fmt.Sprintf("its log rate lets the rows through in %.0f s, that of %s in %.0f s", took(next), name, took(name))
		}
	}
	return p
}

package sqlite

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"lifeboat/internal/database"
)

// A tick is 100 ns and a third 1/300 s, as SQL Server counts.
const (
	ticksPerSecond  = 10_000_000
	ticksPerDay     = 86_400 * ticksPerSecond
	thirdsPerSecond = 300
	thirdsPerDay    = 86_400 * thirdsPerSecond
	days1900        = 693_595   // from 0001-01-01 to 1900-01-01
	daysMax         = 3_652_059 // from 0001-01-01 to 10000-01-01
	moneyScale      = 4
)

// readable writes a value as text that a person can read. ok is false where there is no
// such text; whether it leads back to exactly v is for the caller to check.
func readable(v database.Value) (text string, ok bool) {
	switch v.Tag {
	case database.TagDecimal:
		return decimalText(signed(v.Bytes), int(v.Aux)), true
	case database.TagMoney:
		return decimalText(big.NewInt(v.Int), moneyScale), true
	case database.TagUUID:
		h := hex.EncodeToString(v.Bytes)
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], true
	case database.TagDate:
		return dateText(v.Int)
	case database.TagTime:
		return ticksText(v.Int), v.Int >= 0 && v.Int < ticksPerDay
	case database.TagDateTime2:
		return momentText(v.Int)
	case database.TagDateTime:
		date, ok := dateText(v.Int + days1900)
		millis := (v.Aux%thirdsPerSecond*10 + 1) / 3
		return fmt.Sprintf("%s %s.%03d", date, clockText(v.Aux/thirdsPerSecond), millis), ok && v.Aux >= 0 && v.Aux < thirdsPerDay
	case database.TagDateTimeOffset:
		local, ok := momentText(v.Int + v.Aux*60*ticksPerSecond)
		sign, minutes := '+', v.Aux
		if minutes < 0 {
			sign, minutes = '-', -minutes
		}
		return fmt.Sprintf("%s %c%02d:%02d", local, sign, minutes/60, minutes%60), ok
	}
	return "", false
}

// signed is the number that two's complement bytes stand for.
func signed(b []byte) *big.Int {
	x := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return x
}

func decimalText(x *big.Int, scale int) string {
	digits, sign := new(big.Int).Abs(x).String(), ""
	if x.Sign() < 0 {
		sign = "-"
	}
	if scale == 0 {
		return sign + digits
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	at := len(digits) - scale
	return sign + digits[:at] + "." + digits[at:]
}

func dateText(days int64) (string, bool) {
	if days < 0 || days >= daysMax {
		return "", false
	}
	return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(days)).Format(time.DateOnly), true
}

func clockText(seconds int64) string {
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

func ticksText(ticks int64) string {
	return fmt.Sprintf("%s.%07d", clockText(ticks/ticksPerSecond), ticks%ticksPerSecond)
}

func momentText(ticks int64) (string, bool) {
	date, ok := dateText(ticks / ticksPerDay)
	return date + " " + ticksText(ticks%ticksPerDay), ok && ticks >= 0
}

var (
	decimalForm = regexp.MustCompile(`^(-?)([0-9]+)(?:\.([0-9]+))?$`)
	clockForm   = regexp.MustCompile(`^([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]+)$`)
	offsetForm  = regexp.MustCompile(`^(.+) ([+-][0-9]{2}):([0-9]{2})$`)
)

// appendParsed appends the value that readable wrote as text.
func appendParsed(dst []byte, tag database.Tag, text string) ([]byte, bool) {
	switch tag {
	case database.TagDecimal:
		unscaled, scale, ok := parseDecimal(text)
		if !ok || scale > 255 {
			return dst, false
		}
		return database.AppendDecimal(dst, byte(scale), twosComplement(unscaled)), true
	case database.TagMoney:
		unscaled, scale, ok := parseDecimal(text)
		if !ok || scale != moneyScale || !unscaled.IsInt64() {
			return dst, false
		}
		return database.AppendMoney(dst, unscaled.Int64()), true
	case database.TagUUID:
		var id [16]byte
		b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
		if err != nil || copy(id[:], b) != len(id) || len(b) != len(id) {
			return dst, false
		}
		return database.AppendUUID(dst, id), true
	}
	return appendParsedTime(dst, tag, text)
}

func appendParsedTime(dst []byte, tag database.Tag, text string) ([]byte, bool) {
	switch tag {
	case database.TagDate:
		days, ok := parseDate(text)
		return database.AppendDate(dst, days), ok
	case database.TagTime:
		seconds, ticks, ok := parseClock(text, ticksPerSecond)
		return database.AppendTime(dst, seconds*ticksPerSecond+ticks), ok
	case database.TagDateTime2:
		ticks, ok := parseMoment(text)
		return database.AppendDateTime2(dst, ticks), ok
	case database.TagDateTime:
		date, clock, _ := strings.Cut(text, " ")
		days, ok := parseDate(date)
		seconds, millis, ok2 := parseClock(clock, 1000)
		return database.AppendDateTime(dst, days-days1900, seconds*thirdsPerSecond+(millis*3+5)/10), ok && ok2
	case database.TagDateTimeOffset:
		m := offsetForm.FindStringSubmatch(text)
		if m == nil {
			return dst, false
		}
		ticks, ok := parseMoment(m[1])
		hours, _ := strconv.ParseInt(m[2][1:], 10, 64)
		minutes, _ := strconv.ParseInt(m[3], 10, 64)
		if minutes += 60 * hours; m[2][0] == '-' {
			minutes = -minutes
		}
		return database.AppendDateTimeOffset(dst, ticks-minutes*60*ticksPerSecond, minutes), ok
	}
	return dst, false
}

func parseDecimal(text string) (unscaled *big.Int, scale int, ok bool) {
	m := decimalForm.FindStringSubmatch(text)
	if m == nil {
		return nil, 0, false
	}
	unscaled, ok = new(big.Int).SetString(m[1]+m[2]+m[3], 10)
	return unscaled, len(m[3]), ok
}

// twosComplement has as many bytes as are needed, or one more.
func twosComplement(x *big.Int) []byte {
	n := x.BitLen()/8 + 1
	if x.Sign() < 0 {
		x = new(big.Int).Add(x, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	return x.FillBytes(make([]byte, n))
}

func parseDate(text string) (days int64, ok bool) {
	t, err := time.Parse(time.DateOnly, text)
	return t.Unix()/86_400 - time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()/86_400, err == nil
}

// parseClock returns whole seconds since midnight and the fraction in units of 1/per s.
func parseClock(text string, per int64) (seconds, fraction int64, ok bool) {
	m := clockForm.FindStringSubmatch(text)
	if m == nil || int64(len(m[4])) != int64(len(strconv.FormatInt(per, 10))-1) {
		return 0, 0, false
	}
	for _, part := range m[1:4] {
		n, _ := strconv.ParseInt(part, 10, 64)
		seconds = seconds*60 + n
	}
	fraction, err := strconv.ParseInt(m[4], 10, 64)
	return seconds, fraction, err == nil
}

func parseMoment(text string) (ticks int64, ok bool) {
	date, clock, _ := strings.Cut(text, " ")
	days, ok := parseDate(date)
	seconds, fraction, ok2 := parseClock(clock, ticksPerSecond)
	return days*ticksPerDay + seconds*ticksPerSecond + fraction, ok && ok2
}

package mssql

// catalog is what the catalog views say about one database, as far as a schema is made
// of it. It is plain data: schema.go and the emit files turn it into a database.Schema
// without asking the server again, and tests write it down.
type catalog struct {
	Settings   map[string]string
	Schemas    []schemaRow
	Principals []principalRow
	Members    []memberRow
	Grants     []permissionRow
	Types      []typeRow
	XML        []xmlCollectionRow
	Sequences  []sequenceRow
	Tables     []tableRow
	Columns    []columnRow
	Indexes    []indexRow
	IndexParts []indexColumnRow
	Defaults   []defaultRow
	Checks     []checkRow
	Keys       []foreignKeyRow
	KeyParts   []foreignKeyColumnRow
	Periods    []periodRow
	Modules    []moduleRow
	Events     []triggerEventRow
	Synonyms   []synonymRow
	Stats      []statRow
	StatParts  []statColumnRow
	Policies   []policyRow
	Predicates []predicateRow
	Properties []propertyRow
	Depends    []dependencyRow
	// Others are things in the database that nothing above models.
	Others []otherRow
}

type schemaRow struct {
	ID    int
	Name  string
	Owner string
}

type principalRow struct {
	ID            int
	Name          string
	Type          string // S, U, G, R, A, C, K, E, X
	DefaultSchema string
	SID           []byte
	Fixed         bool
	Owner         string // of a role
	Auth          string // NONE, INSTANCE, DATABASE, WINDOWS, EXTERNAL
}

type memberRow struct{ Role, Member string }

type permissionRow struct {
	Class      string // DATABASE, OBJECT_OR_COLUMN, SCHEMA, DATABASE_PRINCIPAL, TYPE, XML_SCHEMA_COLLECTION, …
	Major      int
	Minor      int
	Column     string
	Grantee    string
	Permission string
	State      string // GRANT, DENY, GRANT_WITH_GRANT_OPTION, REVOKE
}

type typeRow struct {
	ID       int // user_type_id
	SchemaID int
	Name     string
	Base     string
	Bytes    int
	Prec     int
	Scale    int
	Nullable bool
	IsTable  bool
	TableID  int // of a table type, the object its columns belong to
	Memory   bool
}

type xmlCollectionRow struct {
	ID       int
	SchemaID int
	Name     string
	Text     string
}

type sequenceRow struct {
	ID        int
	SchemaID  int
	Name      string
	Base      string
	Prec      int
	Start     string
	Increment string
	Min       string
	Max       string
	Cycling   bool
	Cached    bool
	CacheSize int
	Current   string
}

type tableRow struct {
	ID            int
	SchemaID      int
	Name          string
	Owner         string // if not the schema's
	Temporal      int    // 0 none, 1 history, 2 system-versioned
	HistoryID     int
	Retention     int // finite history retention; -1 or 0 = infinite
	Memory        bool
	FileTable     bool
	External      bool
	Node          bool
	Edge          bool
	Ledger        int
	Escalation    string
	LargeOutOfRow bool
	TracksChanges bool
	CDC           bool
}

type columnRow struct {
	ObjectID   int
	ID         int
	Name       string
	TypeID     int // user_type_id
	Base       string
	Bytes      int
	Prec       int
	Scale      int
	Collation  string
	CodePage   int
	Nullable   bool
	Unpadded   bool
	RowGUID    bool
	Sparse     bool
	ColumnSet  bool
	FileStream bool
	XMLID      int
	XMLDoc     bool
	Generated  int // 0 no, 1 row start, 2 row end, more: ledger
	Encrypted  bool
	Hidden     bool
	GraphType  int
	Rule       bool // bound by sp_bindrule or sp_bindefault
	Mask       string
	Identity   bool
	Seed       string
	Increment  string
	NotForRepl bool
	Computed   bool
	Definition string // of a computed column
	Persisted  bool
}

type indexRow struct {
	ObjectID    int
	ID          int
	Name        string
	Type        string // HEAP, CLUSTERED, NONCLUSTERED, XML, SPATIAL, CLUSTERED COLUMNSTORE, NONCLUSTERED COLUMNSTORE, …
	Unique      bool
	PrimaryKey  bool
	UniqueKey   bool // unique constraint
	IgnoreDup   bool
	Fill        int
	Padded      bool
	Disabled    bool
	NoRowLocks  bool
	NoPageLocks bool
	Filter      string
	Sequential  bool // OPTIMIZE_FOR_SEQUENTIAL_KEY
	Compression string
	Partitioned bool
}

type indexColumnRow struct {
	ObjectID int
	IndexID  int
	Ordinal  int // of the key; 0 = included
	Place    int
	ColumnID int
	Desc     bool
	Included bool
}

type defaultRow struct {
	ID         int
	ObjectID   int
	ColumnID   int
	Name       string
	Definition string
}

type checkRow struct {
	ID         int
	ObjectID   int
	Name       string
	Definition string
	Disabled   bool
	Untrusted  bool
	NotForRepl bool
}

type foreignKeyRow struct {
	ID           int
	ObjectID     int
	ReferencedID int
	Name         string
	Disabled     bool
	Untrusted    bool
	NotForRepl   bool
	OnDelete     string // NO_ACTION, CASCADE, SET_NULL, SET_DEFAULT
	OnUpdate     string
}

type foreignKeyColumnRow struct {
	KeyID      int
	Place      int
	ColumnID   int
	Referenced int
}

type periodRow struct{ ObjectID, StartID, EndID int }

type moduleRow struct {
	ID         int
	SchemaID   int
	ParentID   int
	Name       string
	Type       string // V, P, FN, IF, TF, TR
	Class      int    // of a trigger: 0 database, 1 table or view
	Definition string
	AnsiNulls  bool
	Quoted     bool
	Bound      bool // schema-bound
	Native     bool
	Disabled   bool
	Parent     string // quoted name of what a trigger is on
	Owner      string // if not the schema's
}

type triggerEventRow struct {
	ID    int
	Event string // INSERT, UPDATE, DELETE, …
	First bool
	Last  bool
}

type synonymRow struct {
	ID       int
	SchemaID int
	Name     string
	Base     string
}

type statRow struct {
	ObjectID int
	ID       int
	Name     string
	Filter   string
	NoRecomp bool
}

type statColumnRow struct{ ObjectID, StatID, Place, ColumnID int }

type policyRow struct {
	ID         int
	SchemaID   int
	Name       string
	Enabled    bool
	NotForRepl bool
	Bound      bool
}

type predicateRow struct {
	PolicyID   int
	TargetID   int
	Definition string
	Type       string // FILTER, BLOCK
	Operation  string // AFTER INSERT, …
}

type propertyRow struct {
	Class int // 0 database, 1 object or column, 2 parameter, 3 schema, 6 type, 7 index
	Major int
	Minor int
	Name  string
	Base  string // base type of the value
	Value string
	Part  string // name of the column, parameter or index
}

type dependencyRow struct{ From, To int }

// otherRow is something this package does not model: refused unless allowed by name.
type otherRow struct{ Kind, Name string }

// String is the name a refusal gives and Config.Allow takes.
func (o otherRow) String() string { return o.Kind + " " + o.Name }

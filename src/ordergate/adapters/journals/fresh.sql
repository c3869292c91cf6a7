-- Made from the migrations by docs/generate.py.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE balances (
	fund_id TEXT NOT NULL, 
	position_key TEXT NOT NULL, 
	amount TEXT NOT NULL, 
	PRIMARY KEY (fund_id, position_key)
);
CREATE TABLE breaks (
	break_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	broker TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	raised_at TEXT NOT NULL, 
	order_id TEXT, "key" TEXT, symbol TEXT, cause TEXT, ours TEXT, theirs TEXT, owner TEXT, resolved_at TEXT, resolved_by TEXT, resolution TEXT, why TEXT, 
	PRIMARY KEY (break_id)
);
CREATE TABLE cursors (
	name TEXT NOT NULL, 
	next INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE fills (
	fill_id TEXT NOT NULL, 
	order_id TEXT NOT NULL, 
	exec_id TEXT NOT NULL, 
	fund_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	side TEXT NOT NULL, 
	broker TEXT NOT NULL, 
	time TEXT NOT NULL, 
	booked_at TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	price TEXT NOT NULL, 
	fee TEXT NOT NULL, 
	fee_currency TEXT, 
	kind TEXT NOT NULL, 
	refers_to TEXT, 
	ratio TEXT NOT NULL, 
	counts INTEGER NOT NULL, 
	superseded_by TEXT, 
	awaited INTEGER NOT NULL, 
	late INTEGER NOT NULL, 
	deltas TEXT NOT NULL, told TEXT, 
	PRIMARY KEY (order_id, exec_id)
);
CREATE TABLE head (
	id INTEGER NOT NULL, 
	size INTEGER NOT NULL, 
	checkpoint TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE instruments (
	symbol TEXT NOT NULL, 
	asset_class TEXT NOT NULL, 
	unit TEXT NOT NULL, 
	tick TEXT NOT NULL, 
	lot_step TEXT NOT NULL, 
	minimum TEXT NOT NULL, 
	contract_size TEXT NOT NULL, 
	base TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	pip_size TEXT, sector TEXT, country TEXT, average_daily_volume TEXT, perpetual INTEGER, 
	PRIMARY KEY (symbol)
);
CREATE TABLE journal (
	idx INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	order_id TEXT, 
	hash BLOB NOT NULL, 
	entry BLOB NOT NULL, 
	PRIMARY KEY (idx)
);
CREATE INDEX journal_order ON journal (order_id) WHERE order_id IS NOT NULL;
CREATE TABLE keys (
	fund_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	order_id TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	expires_at TEXT, 
	PRIMARY KEY (fund_id, kind, "key")
);
CREATE TABLE lots (
	lot_id TEXT NOT NULL, 
	fund_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	quantity TEXT NOT NULL, 
	remaining TEXT NOT NULL, 
	price TEXT NOT NULL, 
	opened_at TEXT NOT NULL, 
	closed_at TEXT, 
	close_price TEXT, 
	realized_pnl TEXT NOT NULL, 
	PRIMARY KEY (fund_id, symbol, number)
);
CREATE TABLE nodes (
	level INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	hash BLOB NOT NULL, 
	PRIMARY KEY (level, number)
);
CREATE TABLE orders (
	order_id TEXT NOT NULL, 
	fund_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	side TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	order_type TEXT NOT NULL, 
	tif TEXT NOT NULL, 
	broker TEXT NOT NULL, 
	state TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	limit_price TEXT, 
	stop_price TEXT, 
	cash_quantity TEXT, 
	strategy_id TEXT, 
	actor TEXT, 
	idempotency_key TEXT, 
	signal_id TEXT, 
	retry_of TEXT, 
	thesis TEXT, 
	entry_price TEXT, 
	stop_loss TEXT, 
	take_profit TEXT, 
	expires_at TEXT, 
	arrival_bid TEXT, 
	arrival_ask TEXT, 
	version INTEGER NOT NULL, 
	filled_quantity TEXT NOT NULL, 
	filled_value TEXT NOT NULL, 
	ratio TEXT NOT NULL, 
	client_id TEXT, 
	broker_order_id TEXT, 
	accepted_at TEXT, 
	submitted_at TEXT, 
	acknowledged_at TEXT, 
	filled_at TEXT, 
	ended_at TEXT, 
	confirmed INTEGER NOT NULL, 
	marks TEXT NOT NULL, 
	reason_code TEXT, 
	reason TEXT, 
	request_count INTEGER NOT NULL, 
	requests TEXT NOT NULL, reference_price TEXT, awaits TEXT, decide_by TEXT, lots TEXT, max_slippage_bps TEXT, max_slippage_pips TEXT, overdue TEXT, protect TEXT, parent_order_id TEXT, order_manager TEXT, operation TEXT DEFAULT 'spot_trade' NOT NULL, terms TEXT, route TEXT, slice INTEGER, algo TEXT, 
	PRIMARY KEY (order_id)
);
CREATE TABLE payloads (
	sha256 TEXT NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (sha256)
);
CREATE TABLE refusals (
	number INTEGER NOT NULL, 
	signal_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	code TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	refused_at TEXT NOT NULL, 
	fund_id TEXT, 
	PRIMARY KEY (number)
);
CREATE TABLE sessions (
	broker TEXT NOT NULL, 
	epoch INTEGER NOT NULL, 
	cursor TEXT, 
	PRIMARY KEY (broker)
);
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal WHEN EXISTS (SELECT 1 FROM journal WHERE idx = NEW.idx) BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE INDEX orders_state_order_id ON orders (state, order_id);
CREATE INDEX orders_fund_id_order_id ON orders (fund_id, order_id);
CREATE INDEX orders_symbol_order_id ON orders (symbol, order_id);
CREATE INDEX fills_fund_id_order_id_exec_id ON fills (fund_id, order_id, exec_id);
CREATE INDEX fills_symbol_order_id_exec_id ON fills (symbol, order_id, exec_id);
CREATE INDEX orders_strategy_id_order_id ON orders (strategy_id, order_id) WHERE strategy_id IS NOT NULL;
CREATE INDEX orders_broker_broker_order_id ON orders (broker, broker_order_id) WHERE broker_order_id IS NOT NULL;
CREATE TABLE moves (
	fund_id TEXT NOT NULL, 
	phase TEXT NOT NULL, 
	shard TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	first INTEGER NOT NULL, 
	parts INTEGER NOT NULL, 
	key_kind TEXT, 
	"key" TEXT, 
	PRIMARY KEY (fund_id)
);
CREATE TABLE "funds" (
	fund_id TEXT NOT NULL, 
	broker TEXT NOT NULL, 
	base_currency TEXT NOT NULL, 
	asset_classes TEXT NOT NULL, 
	strategies TEXT NOT NULL, 
	tax_lot_method TEXT NOT NULL, 
	dedupe_window INTEGER, 
	unlimited INTEGER NOT NULL, slippage TEXT, routes TEXT, split TEXT, 
	PRIMARY KEY (fund_id)
);
CREATE TABLE limits (
	level TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	limits TEXT NOT NULL, 
	set_at TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	configured TEXT, 
	reverts_at TEXT, 
	reverts_to TEXT, 
	PRIMARY KEY (level, name)
);
CREATE TABLE halts (
	level TEXT NOT NULL, 
	name TEXT NOT NULL, 
	mode TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	since TEXT NOT NULL, 
	"trigger" TEXT, 
	lifted_at TEXT, 
	lifted_by TEXT, 
	lifted_because TEXT, 
	PRIMARY KEY (level, name)
);
CREATE TABLE strategies (
	strategy_id TEXT NOT NULL, 
	runs INTEGER NOT NULL, 
	enabled_at TEXT, 
	enabled_by TEXT, 
	seen_at TEXT, 
	PRIMARY KEY (strategy_id)
);
CREATE TABLE accounts (
	fund_id TEXT NOT NULL, 
	profits TEXT NOT NULL, 
	periods TEXT NOT NULL, 
	PRIMARY KEY (fund_id)
);
CREATE TABLE volumes (
	fund_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	day TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (fund_id, symbol)
);
CREATE TABLE overrides (
	order_id TEXT NOT NULL, 
	codes TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	asked_by TEXT NOT NULL, 
	asked_at TEXT NOT NULL, 
	expires_at TEXT NOT NULL, 
	approved INTEGER, 
	answered_by TEXT, 
	answered_at TEXT, 
	answer TEXT, 
	made TEXT, 
	PRIMARY KEY (order_id)
);
CREATE TABLE strategy_positions (
	fund_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	strategy_id TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	PRIMARY KEY (fund_id, symbol, strategy_id)
);
CREATE TABLE "positions" (
	fund_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	cost TEXT NOT NULL, 
	realized_pnl TEXT NOT NULL, 
	fees TEXT NOT NULL, 
	oldest_open INTEGER NOT NULL, 
	lot_count INTEGER NOT NULL, 
	averaged INTEGER NOT NULL, 
	year INTEGER NOT NULL, 
	realized_in_year TEXT NOT NULL, 
	PRIMARY KEY (fund_id, symbol)
);
CREATE TABLE account_holdings (
	broker TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	PRIMARY KEY (broker, kind, name)
);
CREATE INDEX orders_order_manager_order_id ON orders (order_manager, order_id) WHERE order_manager IS NOT NULL;
CREATE INDEX orders_signal_id_order_id ON orders (signal_id, order_id) WHERE signal_id IS NOT NULL;
CREATE INDEX refusals_signal_id_number ON refusals (signal_id, number);
CREATE INDEX orders_parent_order_id_order_id ON orders (parent_order_id, order_id) WHERE parent_order_id IS NOT NULL;
INSERT INTO alembic_version (version_num) VALUES ('0014');

// What MQL4 gives a program, as far as OrdergateBridge.mq4 uses it: types, text, arrays, and functions that ask whoever
// started the process (see expert.py). One line a question on standard output, one line an answer on standard input.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef long datetime;
typedef int color;
static_assert(sizeof(long) == 8, "MQL4's long has 64 bits");

// Text: UTF-16, as in MQL4.
struct string
  {
   std::u16string s;
   string() {}
   string(const char *text) { for(; *text; text++) s.push_back((uchar)*text); }
   string(const std::u16string &text) : s(text) {}
  };
inline string operator+(const string &a, const string &b) { return string(a.s + b.s); }
inline string operator+(const char *a, const string &b) { return string(a) + b; }
inline string operator+(const string &a, const char *b) { return a + string(b); }
inline bool operator==(const string &a, const string &b) { return a.s == b.s; }
inline bool operator!=(const string &a, const string &b) { return a.s != b.s; }

[[noreturn]] inline void critical(const char *what)
  {
   fprintf(stderr, "critical error: %s\n", what);
   exit(3);
  }

// A dynamic array: an index out of range ends the program, as in MQL4.
template<typename T> struct Array
  {
   std::vector<T> all;
   T &operator[](long i)
     {
      if(i < 0 || i >= (long)all.size())
         critical("array out of range");
      return all[i];
     }
   const T &operator[](long i) const { return const_cast<Array<T> &>(*this)[i]; }
  };
template<typename T> int ArraySize(const Array<T> &a) { return (int)a.all.size(); }
template<typename T> int ArrayResize(Array<T> &a, int size, int reserve = 0)
  {
   if(size < 0)
      critical("negative size");
   if(reserve > 0 && size > (int)a.all.capacity())
      a.all.reserve(size + reserve);
   a.all.resize(size);
   return size;
  }
void ArraySort(Array<int> &a);

// Constants, with MetaQuotes' values where they have a meaning outside.
#define INVALID_HANDLE -1
#define FILE_READ 1
#define FILE_WRITE 2
#define FILE_BIN 4
#define FILE_REWRITE 512
#define FILE_SHARE_READ 128
#define FILE_SHARE_WRITE 256
#define SEEK_END_ 2
#ifndef SEEK_END
#define SEEK_END 2
#endif
#define OP_BUY 0
#define OP_SELL 1
#define OP_BUYLIMIT 2
#define OP_SELLLIMIT 3
#define OP_BUYSTOP 4
#define OP_SELLSTOP 5
#define SELECT_BY_POS 0
#define SELECT_BY_TICKET 1
#define MODE_TRADES 0
#define MODE_HISTORY 1
#define MODE_TIME 5
#define MODE_BID 9
#define MODE_ASK 10
#define MODE_POINT 11
#define MODE_DIGITS 12
#define MODE_STOPLEVEL 14
#define MODE_LOTSIZE 15
#define MODE_TICKVALUE 16
#define MODE_TICKSIZE 17
#define MODE_TRADEALLOWED 22
#define MODE_MINLOT 23
#define MODE_LOTSTEP 24
#define MODE_MAXLOT 25
#define MODE_MARGINREQUIRED 32
#define MODE_FREEZELEVEL 33
#define SYMBOL_CURRENCY_BASE 0
#define SYMBOL_CURRENCY_PROFIT 1
#define SYMBOL_CURRENCY_MARGIN 2
#define SYMBOL_TRADE_EXEMODE 0
#define TERMINAL_BUILD 0
#define TERMINAL_TRADE_ALLOWED 1
#define MQL_TRADE_ALLOWED 0
#define ACCOUNT_TRADE_EXPERT 0
#define ACCOUNT_TRADE_MODE 1
#define ACCOUNT_TRADE_MODE_DEMO 0
#define TIME_DATE 1
#define INIT_SUCCEEDED 0
#define clrNONE -1

// Text.
int StringLen(const string &text);
string StringSubstr(const string &text, int start, int length = 0);   // 0 is to the end, as MQL4 has it
int StringFind(const string &text, const string &wanted, int start = 0);
ushort StringGetCharacter(const string &text, int at);
int StringCompare(const string &a, const string &b);
int StringReplace(string &text, const string &old, const string &fresh);
bool StringToLower(string &text);
int StringSplit(const string &text, ushort separator, Array<string> &parts);
string ShortToString(ushort code);
string IntegerToString(long number);
string DoubleToString(double number, int digits);
string TimeToString(datetime time, int mode);
long StringToInteger(const string &text);
double StringToDouble(const string &text);
int StringToCharArray(const string &text, Array<uchar> &bytes, int start, int count);
string CharArrayToString(const Array<uchar> &bytes, int start, int count);

// Numbers.
inline double MathAbs(double x) { return std::fabs(x); }
inline double MathRound(double x) { return std::round(x); }
inline double MathFloor(double x) { return std::floor(x); }
inline double MathMax(double a, double b) { return a > b ? a : b; }
inline double MathMin(double a, double b) { return a < b ? a : b; }
int MathRand();
void MathSrand(int seed);
double NormalizeDouble(double x, int digits);

// Files.
int FileOpen(const string &name, int flags);
void FileClose(int file);
void FileFlush(int file);
bool FileSeek(int file, long offset, int from);
ulong FileSize(int file);
uint FileReadArray(int file, Array<uchar> &bytes, int start, int count);
uint FileWriteArray(int file, const Array<uchar> &bytes, int start, int count);
bool FileMove(const string &from, int common, const string &to, int flags);
bool FileDelete(const string &name);
bool FolderCreate(const string &name);
long FileFindFirst(const string &filter, string &name);
bool FileFindNext(long search, string &name);
void FileFindClose(long search);

// The terminal and the account.
int GetLastError();
void ResetLastError();
uint GetTickCount();
datetime TimeGMT();
datetime TimeLocal();
datetime TimeCurrent();
bool IsConnected();
bool IsTradeContextBusy();
bool RefreshRates();
long TerminalInfoInteger(int what);
long MQLInfoInteger(int what);
long AccountInfoInteger(int what);
int AccountNumber();
int AccountLeverage();
string AccountServer();
string AccountCompany();
string AccountCurrency();
double AccountBalance();
double AccountEquity();
double AccountMargin();
double AccountFreeMargin();
double AccountProfit();
double AccountCredit();
double MarketInfo(const string &symbol, int mode);
int SymbolsTotal(bool selected);
string SymbolName(int at, bool selected);
long SymbolInfoInteger(const string &symbol, int what);
string SymbolInfoString(const string &symbol, int what);
void Print(const string &a, const string &b);
bool EventSetMillisecondTimer(int millis);
void EventKillTimer();

// Orders.
int OrdersTotal();
int OrdersHistoryTotal();
bool OrderSelect(int index, int select, int pool = MODE_TRADES);
int OrderTicket();
int OrderType();
string OrderSymbol();
double OrderLots();
double OrderOpenPrice();
datetime OrderOpenTime();
double OrderStopLoss();
double OrderTakeProfit();
double OrderClosePrice();
datetime OrderCloseTime();
double OrderCommission();
double OrderSwap();
double OrderProfit();
string OrderComment();
int OrderMagicNumber();
datetime OrderExpiration();
int OrderSend(const string &symbol, int type, double lots, double price, int slippage, double sl, double tp,
              const string &comment, int magic, datetime expiry, color arrow);
bool OrderClose(int ticket, double lots, double price, int slippage, color arrow);
bool OrderCloseBy(int ticket, int by, color arrow);
bool OrderModify(int ticket, double price, double sl, double tp, datetime expiry, color arrow);
bool OrderDelete(int ticket, color arrow);

// What the translation of the program has.
int OnInit();
void OnDeinit(const int reason);
void OnTimer();
void OnTick();
void shim_inputs();
void shim_input(const char *name, string &value);
void shim_input(const char *name, int &value);

"""The door in ClickHouse: approved signals of a table become orders."""

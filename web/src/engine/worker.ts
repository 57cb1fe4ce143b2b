// Where a tab's engine runs: one of them writes, see leader.ts.
export {};

enum { SIZE = 300 };

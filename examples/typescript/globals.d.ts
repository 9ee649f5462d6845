// The one thing of Node that the program uses beyond what every platform has.
declare const process: { argv: string[] };

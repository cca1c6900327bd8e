// The program's entry: everything it can do is a command of control/.
#include "control/command_line.h"

int main(int argc, char** argv) { return tipstaff::run_command_line(argc, argv); }

package ModSSL::Memory;

=head1 NAME

ModSSL::Memory - what is in the memory of a server

=head1 FUNCTIONS

=head2 in_memory($pid, $text)

Whether the writable memory of this process holds $text (at most 64 bytes); undef when it cannot be read.

=head2 unreadable($pid)

Why nothing can be said about what is in this process' memory, in words; nothing if all is well.

=cut

use strict;
use warnings;
use Exporter 'import';
use ModSSL::Httpd qw(is_asan is_valgrind);
use ModSSL::PKI qw(slurp);

our @EXPORT_OK = qw(in_memory unreadable);

no warnings 'portable'; # hexadecimal numbers of 64 bits

sub in_memory {
    my ($pid, $text) = @_;
    open my $mem, '<:raw', "/proc/$pid/mem" or return undef;
    for my $map (split /\n/, slurp("/proc/$pid/maps")) {
        my ($from, $to) = $map =~ /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
        sysseek $mem, hex $from, 0 or next;
        my $left = hex($to) - hex $from;
        my $tail = '';
        while ($left > 0) {
            my $got = sysread $mem, my $piece, $left < 1 << 20 ? $left : 1 << 20 or last;
            return 1 if index($tail . $piece, $text) >= 0;
            $tail = substr $piece, -64;
            $left -= $got;
        }
    }
    return 0;
}

sub unreadable {
    my ($pid) = @_;
    return 'these tools keep what was freed' if is_asan() || is_valgrind();
    return 'cannot read the memory of the server' if !defined in_memory($pid, 'x');
    return;
}

1;

package ModSSL::Store;

=head1 NAME

ModSSL::Store - memcached or redis, by which a farm's servers share what they keep

=head1 SYNOPSIS

    use ModSSL::Store qw(start_store stop_store);
    my $pid = start_store('memcached', $port, '-l', '127.0.0.1', '-p', $port) or return fail('memcached does not start');
    stop_store($pid);

=head1 FUNCTIONS

  start_store($program, $port, @arguments)   the pid of the program, once something listens on that port of 127.0.0.1; false
        if nothing does within ten seconds. It writes nothing anywhere, runs in the test's directory, and ends with the test,
        however that ends, after five minutes at the latest.
  stop_store($pid)   ends it, and waits for that

Loading this module adds /usr/sbin and /sbin to PATH, where Debian has such programs for root only.

=cut

use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET;
use POSIX ();
use ModSSL::Httpd qw(wait_for);

our @EXPORT_OK = qw(start_store stop_store);

$ENV{PATH} = "$ENV{PATH}:/usr/sbin:/sbin";
my $owner = $$;
my %running;

sub start_store {
    my ($program, $port, @args) = @_;
    my $pid = fork;
    defined $pid or die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        chdir($ENV{MODSSL_WORK} || '/tmp');
        { exec 'setpriv', '--pdeathsig', 'TERM', 'timeout', 300, $program, @args }
        POSIX::_exit(127);
    }
    $running{$pid} = 1;
    wait_for(10, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }) or return;
    return $pid;
}

sub stop_store {
    my ($pid) = @_;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    delete $running{$pid};
    return;
}

END { local $?; kill 'TERM', keys %running if %running && $owner == $$ }

1;
